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
		Diff:              r.Diff,
	}
}

// FromSetupRequest is what a client asks for.
func FromSetupRequest(req api.SetupRequest) rolebroker.SetupRequest {
	return rolebroker.SetupRequest{
		Role:          req.Role,
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
