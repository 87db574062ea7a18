package lend

import (
	"context"
	"errors"
	"time"

	"github.com/rolebroker/rolebroker"
)

// Answer is what STS answered to an AssumeRole call of the lender.
type Answer struct {
	Integration rolebroker.IntegrationID
	Role        rolebroker.RoleID
	Fingerprint string              // of the role as it was assumed
	Agent       string              // the name of the agent
	Refusal     *rolebroker.Refusal // nil: STS gave credentials
	At          time.Time
}

// OnAnswer has tell called with what STS answers. A call that no answer came to is not told. No request waits for tell,
// but Close does. OnAnswer is called before the first Lend.
func (l *Lender) OnAnswer(tell func(context.Context, Answer)) { l.answered = tell }

// tellAnswer tells the result of a call for a lease, if STS answered.
func (l *Lender) tellAnswer(ctx context.Context, of *lease, err error) {
	var refusal *rolebroker.Refusal
	if l.answered == nil || err != nil && !errors.As(err, &refusal) {
		return
	}
	l.answered(context.WithoutCancel(ctx), Answer{
		Integration: of.key.integration, Role: of.key.role, Fingerprint: of.shape, Agent: of.key.agentName,
		Refusal: refusal, At: l.now(),
	})
}
