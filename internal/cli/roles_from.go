package cli

import (
	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/roleimport"
)

// rolesFrom is the flag --roles-from: a file that lists roles to add.
type rolesFrom struct {
	a    *app
	path string
}

const rolesFromHelp = `--roles-from adds the roles of a file: ARNs, one a line; CSV with the columns name, arn,
region and session_duration; or the config file of the AWS CLI, of whose profiles those
with a role_arn count. A role without a name gets that of its ARN, and one without a
region that of the role before it. Access keys in the file are not read.`

func (r *rolesFrom) flag(cmd *cobra.Command, a *app) {
	r.a = a
	cmd.Flags().StringVar(&r.path, "roles-from", "", "add the roles that `FILE` lists; - is stdin")
}

// add adds the roles of the file to roles, and says which it leaves out.
func (r *rolesFrom) add(roles *[]api.RoleRequest) error {
	if r.path == "" {
		return nil
	}
	name, text, err := readText(r.path, r.a.Stdin)
	if err != nil {
		return err
	}
	list, err := roleimport.Read(string(text))
	if err != nil {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "%s, %s", name, rolebroker.AsError(err).Message)
	}
	var there []roleimport.Role
	for _, role := range *roles {
		there = append(there, roleimport.Role{Name: role.Name, ARN: role.ARN, Region: role.Region})
	}
	added := list.After(there)
	for _, role := range added {
		*roles = append(*roles, api.RoleRequest{Name: role.Name, ARN: role.ARN, Region: role.Region,
			SessionDuration: role.SessionDuration})
	}
	for _, skipped := range list.Skipped {
		r.a.note("left out %s: %s", skipped.What, skipped.Says)
	}
	for _, note := range list.Notes {
		r.a.note("%s: %s", note.What, note.Says)
	}
	if len(added) == 0 {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "%s has no role to add", name)
	}
	return nil
}
