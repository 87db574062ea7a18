package cli

import (
	"strings"

	"github.com/rolebroker/rolebroker/api"
)

// renameRoles applies values of --rename-role, OLD=NEW, to the roles that had the old names before the first of them.
// The default role stays the default role.
func renameRoles(request *api.IntegrationRequest, values []string) error {
	names := map[int]string{}
	for _, value := range values {
		old, name, ok := strings.Cut(value, "=")
		if !ok || old == "" || name == "" {
			return usage("--rename-role %s has not the form OLD=NEW", value)
		}
		i, err := indexRole(request, old)
		if err != nil {
			return err
		}
		if _, twice := names[i]; twice {
			return usage("--rename-role renames %s twice", old)
		}
		names[i] = name
	}
	byDefault := request.DefaultRole
	for i, name := range names {
		if request.Roles[i].Name == byDefault {
			request.DefaultRole = name
		}
		request.Roles[i].Name = name
	}
	return nil
}

// noteRenamed says what roles that were renamed by values of --rename-role mean for agents.
func (a *app) noteRenamed(values []string) {
	for _, value := range values {
		old, name, _ := strings.Cut(value, "=")
		a.note("Agents that name the role %s have to name it %s from now on. Its sessions until now keep the name %[1]s.",
			old, name)
	}
}
