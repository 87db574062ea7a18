package convert

import (
	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// Setup is the steps to take in AWS, as the management API answers them.
func Setup(s *rolebroker.Setup) api.Setup {
	return api.Setup{
		Integration:    s.Integration,
		AssumptionMode: string(s.Mode),
		Modes:          All(rolebroker.Modes(), modeAdvice),
		Principal:      s.Principal,
		ExternalIDs:    append([]string{}, s.ExternalIDs...),
		IdentityError:  s.PlatformProblem,
		Notes:          append([]string{}, s.Notes...),
		TrustPolicy:    s.TrustPolicy,
		Text:           s.Text,
		AWSCLI:         s.AWSCLI,
		CloudFormation: s.CloudFormation,
		CreateRole:     s.CreateRole,
		StackSets:      All(s.StackSets, stackSet),
		CutOff:         s.CutOff,
		Terraform:      s.Terraform,
		Roles:          All(s.Roles, roleSetup),
	}
}

func modeAdvice(m *rolebroker.ModeAdvice) api.ModeAdvice {
	return api.ModeAdvice{
		Mode:          string(m.Mode),
		Title:         m.Title,
		Recommended:   m.Recommended,
		Advantages:    append([]string{}, m.Advantages...),
		Disadvantages: append([]string{}, m.Disadvantages...),
	}
}

func roleSetup(r *rolebroker.RoleSetup) api.RoleSetup {
	return api.RoleSetup{
		Name:              r.Role.Name,
		ARN:               r.Role.ARN.String(),
		Statement:         r.Statement,
		TrustPolicy:       r.TrustPolicy,
		MergedTrustPolicy: r.Merged,
		Changes:           All(r.Changes, policyChange),
		Diff:              r.Diff,
		Obstacle:          r.Obstacle,
		Console:           api.ConsoleLinks(r.Console),
	}
}

func policyChange(c *rolebroker.PolicyChange) api.PolicyChange { return api.PolicyChange(*c) }

func stackSet(s *rolebroker.StackSet) api.StackSet {
	return api.StackSet{Name: s.Name, Accounts: append([]string{}, s.Accounts...), Template: s.Template,
		Commands: s.Commands}
}

// FromSetupRequest is what a client asks for.
func FromSetupRequest(req api.SetupRequest) rolebroker.SetupRequest {
	return rolebroker.SetupRequest{
		Role:          req.Role,
		Account:       req.Account,
		Principal:     rolebroker.PrincipalForm(req.Principal),
		CurrentPolicy: req.CurrentTrustPolicy,
		CutOff:        req.CutOff,
		Cluster: rolebroker.ClusterIdentity{
			Variant:        rolebroker.ClusterVariant(req.Variant),
			Issuer:         req.Issuer,
			Namespace:      req.Namespace,
			ServiceAccount: req.ServiceAccount,
		},
	}
}
