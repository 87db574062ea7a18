package cli

import (
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker/api"
)

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
	last, seen := "", map[string]bool{}
	for part := range strings.SplitSeq(value, ",") {
		key, text, _ := strings.Cut(part, "=")
		switch key {
		case "name", "arn", "region", "enabled", "session_duration":
		default:
			if last == "arn" { // the name of an IAM role may have commas
				role.ARN += "," + part
				continue
			}
			return role, usage("--role has %q; a role is written name=NAME,arn=ARN,region=REGION[,enabled=false][,session_duration=1h]", part)
		}
		if seen[key] {
			return role, usage("--role has %s twice", key)
		}
		last, seen[key] = key, true
		if err := setRole(&role, key, text); err != nil {
			return role, err
		}
	}
	for _, key := range []string{"name", "arn", "region"} {
		if !seen[key] {
			return role, usage("--role %s has no %s; a role is written name=NAME,arn=ARN,region=REGION", value, key)
		}
	}
	return role, nil
}

func setRole(role *api.RoleRequest, key, text string) error {
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
			return usage("--role has enabled=%s; it is true or false", text)
		}
		role.Enabled = &enabled
	}
	return nil
}
