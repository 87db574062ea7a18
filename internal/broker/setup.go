package broker

import (
	"cmp"
	"context"
	"fmt"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/setup"
	"github.com/rolebroker/rolebroker/internal/validate"
)

// maxSetups is how many setups are made at a time. A setup of thousands of roles takes a second and hundreds of
// megabytes.
const maxSetups = 4

// Setup returns what has to be done in AWS so that the roles of an integration can be assumed. Codes: denied,
// not_found (the integration, or the role in it), invalid, unavailable.
func (b *Broker) Setup(
	ctx context.Context, who rolebroker.Caller, nameOrID string, req rolebroker.SetupRequest,
) (*rolebroker.Setup, error) {
	named := rolebroker.Named(rolebroker.KindIntegration, nameOrID)
	if err := b.May(ctx, who, rolebroker.ActionIntegrationSetup, named); err != nil {
		return nil, err
	}
	in, err := b.store.Integration(ctx, nameOrID)
	if err != nil {
		return nil, err
	}
	return b.setup(ctx, in, req)
}

// SetupDraft is Setup for an integration that is not saved. A draft with an ID is the next version of that
// integration. A draft without one needs an external ID that ReserveExternalID made, except in cluster mode. If an
// integration uses that external ID, or used it earlier, the setup is for that integration and the external IDs that
// its roles have to require now: the caller gets the same answer before and after the integration is created. The
// roles need not exist in AWS. The paths of errors are name, roles[…] and external_id. Codes: denied, not_found,
// invalid, unavailable.
func (b *Broker) SetupDraft(
	ctx context.Context, who rolebroker.Caller, draft rolebroker.Integration, req rolebroker.SetupRequest,
) (*rolebroker.Setup, error) {
	subject := rolebroker.Named(rolebroker.KindIntegration, draft.Name)
	if err := b.May(ctx, who, rolebroker.ActionIntegrationSetup, subject); err != nil {
		return nil, err
	}
	if err := checkNames(&draft); err != nil {
		return nil, err
	}
	var err error
	if draft.ID != "" {
		_, err = b.completeDraft(ctx, who, &draft)
	} else {
		err = b.followExternalID(ctx, &draft)
	}
	if err != nil {
		return nil, err
	}
	return b.setup(ctx, &draft, req)
}

// followExternalID fills in a draft's current external IDs, and its integration if one uses the external ID. Codes:
// invalid.
func (b *Broker) followExternalID(ctx context.Context, draft *rolebroker.Integration) error {
	if draft.ExternalID == "" && draft.AssumptionMode == rolebroker.ModeCluster {
		return nil // roles there require none
	}
	reserved, err := b.store.ReservationOf(ctx, draft.ExternalID)
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		return invalid("the request", "external_id",
			"is not one that was reserved here, or its integration was deleted").
			WithHint("rolebroker external-id reserve makes one; the setup of an integration is asked for by its name")
	case err != nil:
		return err
	}
	draft.ExternalID, draft.NextExternalID = reserved.ExternalID, reserved.NextExternalID
	if reserved.Integration != "" {
		draft.ID, draft.Name = reserved.Integration, reserved.IntegrationName
	}
	return nil
}

// setup makes the setup of an integration. An integration without an ID is a draft.
func (b *Broker) setup(
	ctx context.Context, in *rolebroker.Integration, req rolebroker.SetupRequest,
) (*rolebroker.Setup, error) {
	subject := setup.Subject{Integration: in.Name, Draft: in.ID == "", Mode: in.AssumptionMode,
		ExternalIDs: []string{in.ExternalID, in.NextExternalID}, Roles: in.Roles, Request: req,
		Template: b.setupTemplate, Tags: in.SessionTags, Source: in.SourceIdentity || in.SourceIdentityOpen}
	var err error
	if in.ID != "" {
		if subject.Earlier, err = b.store.EarlierExternalIDs(ctx, in.ID, validate.MaxEarlier); err != nil {
			return nil, err
		}
	}
	if err := b.addRunner(ctx, in, &subject); err != nil {
		return nil, err
	}
	platform, err := b.identity(ctx)
	if err != nil {
		return nil, err
	}
	subject.Platform = platform.Identity
	if platform.Err != nil {
		subject.PlatformProblem = platform.Err.Error()
	}
	select {
	case b.setups <- struct{}{}:
		defer func() { <-b.setups }()
	case <-ctx.Done():
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable,
			"%d setups are being made already: %w", maxSetups, ctx.Err()).
			WithHint("try again in a few seconds")
	}
	made, err := setup.New(ctx, subject)
	if err != nil {
		return nil, err
	}
	made.IntegrationID = in.ID
	if subject.Runner.ARN != "" && subject.Request.Cluster.Variant == rolebroker.ClusterAssumeRole {
		made.Notes = append(made.Notes, fmt.Sprintf("The runner itself reports the AWS identity %s. Compare it with "+
			"the one that you gave the runner before a trust policy names it.", rolebroker.Quote(subject.Runner.ARN)))
	}
	return made, nil
}

// addRunner fills in the setup request from the report of the integration's runner: its AWS identity, its issuer, and
// how it assumes roles. What the caller asked for stays.
func (b *Broker) addRunner(ctx context.Context, in *rolebroker.Integration, subject *setup.Subject) error {
	if in.AssumptionMode != rolebroker.ModeCluster || in.Runner == "" {
		return nil
	}
	runner, err := b.store.Runner(ctx, string(in.Runner))
	if err != nil {
		return err
	}
	cluster := &subject.Request.Cluster
	subject.Runner = runner.Report.Identity
	if cluster.Variant == "" && runner.Report.Method == rolebroker.MethodAssumeRole &&
		runner.Report.Identity.ARN != "" {
		cluster.Variant = rolebroker.ClusterAssumeRole
	}
	withIssuer := *cluster
	withIssuer.Issuer = cmp.Or(cluster.Issuer, runner.Issuer)
	request := rolebroker.SetupRequest{Cluster: withIssuer}
	if request.WithDefaults().Check() == nil { // IAM does not accept every issuer that a runner may have
		*cluster = withIssuer
	}
	return nil
}

// checkNames checks the names in a draft, because people paste the setup into a shell. A name may be empty. Codes:
// invalid.
func checkNames(in *rolebroker.Integration) error {
	refused := &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the integration is not valid"}
	check := func(path, name string) {
		if err := rolebroker.CheckName(name); name != "" && err != nil {
			refused.Fields = append(refused.Fields, rolebroker.Field{Path: path, Message: err.Error()})
		}
	}
	check("name", in.Name)
	for i, role := range in.Roles {
		check(fmt.Sprintf("roles[%d].name", i), role.Name)
	}
	if len(refused.Fields) == 0 {
		return nil
	}
	return refused
}
