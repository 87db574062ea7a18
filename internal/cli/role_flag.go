package cli

import (
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker/api"
)

// roleForm is how a role is written on the command line.
const roleForm = "name=NAME,arn=ARN,region=REGION[,enabled=false][,session_duration=1h]"

const roleFlagUsage = "`role`, written as above"

const roleHelp = "A role is written\n  " + roleForm

// parseRoles reads the values of --role.
func parseRoles(values []string) ([]api.RoleRequest, error) {
	var roles []api.RoleRequest
	for _, value := range values {
		role, err := parseRole(value)
		if err != nil {
			return nil, err
		}
		roles = append(roles, role)
	}
	return roles, nil
}

// parseRole reads a role as it is written on the command line:
// name=readonly,arn=arn:aws:iam::444455556666:role/ReadOnly,region=us-east-1.
// Whether it is valid is for the server to say.
func parseRole(value string) (role api.RoleRequest, err error) {
	seen, err := readRole(&role, "role", value)
	if err != nil {
		return role, err
	}
	for _, key := range []string{"name", "arn", "region"} {
		if !seen[key] {
			return role, usage("--role %s has no %s; a role is written name=NAME,arn=ARN,region=REGION", value, key)
		}
	}
	return role, nil
}

// changeRole changes what the value of --set-role gives of the role it names.
func changeRole(request *api.IntegrationRequest, value string) error {
	var named api.RoleRequest
	seen, err := readRole(&named, "set-role", value)
	switch {
	case err != nil:
		return err
	case !seen["name"] || len(seen) == 1:
		return usage("--set-role %s has to have a name and what is to be changed, as in name=readonly,region=us-east-1", value)
	}
	i, err := indexRole(request, named.Name)
	if err != nil {
		return err
	}
	name := request.Roles[i].Name
	_, err = readRole(&request.Roles[i], "set-role", value)
	request.Roles[i].Name = name // it may have been named by its ID
	return err
}

// readRole sets the fields of role that a value gives, and returns their names.
func readRole(role *api.RoleRequest, flag, value string) (seen map[string]bool, err error) {
	last, seen := "", map[string]bool{}
	for part := range strings.SplitSeq(value, ",") {
		key, text, _ := strings.Cut(part, "=")
		if seen[key] {
			return nil, usage("--%s has %s twice", flag, key)
		}
		known, err := setRole(role, flag, key, text)
		switch {
		case err != nil:
			return nil, err
		case known:
			last, seen[key] = key, true
		case last == "arn": // the name of an IAM role may have commas
			role.ARN += "," + part
		default:
			return nil, usage("--%s has %q; a role is written %s", flag, part, roleForm)
		}
	}
	return seen, nil
}

// setRole sets one field of a role, unless it knows none called key.
func setRole(role *api.RoleRequest, flag, key, text string) (known bool, err error) {
	switch key {
	case "name":
		role.Name = text
	case "arn":
		role.ARN = text
	case "region":
		role.Region = text
	case "session_duration":
		role.SessionDuration = text
	case "enabled":
		enabled, err := strconv.ParseBool(text)
		if err != nil {
			return true, usage("--%s has enabled=%s; it is true or false", flag, text)
		}
		role.Enabled = &enabled
	default:
		return false, nil
	}
	return true, nil
}
