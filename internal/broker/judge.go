package broker

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/learn"
)

// judgedFor is how far back calls are judged.
const judgedFor = 7 * 24 * time.Hour

// JudgeLimits says what limits would have done with the calls of the last 7 days that an agent sent with the roles of
// an integration. It changes nothing. Codes: denied, invalid (the limits), not_found.
func (b *Broker) JudgeLimits(ctx context.Context, who rolebroker.Caller, agent, integration string, limits *Limits) (
	*rolebroker.Judgement, error) {
	about, err := b.learned(ctx, who, Learning{Agent: agent, Integration: integration})
	if err != nil {
		return nil, err
	}
	c := rolebroker.NewConnection(about.Integration, b.now())
	if err := limits.apply(about.Integration, &c); err != nil {
		return nil, err
	}
	judge, err := learn.NewJudge(&c)
	if err != nil {
		return nil, err
	}
	since := b.now().Add(-judgedFor)
	if err := b.store.CallKinds(ctx, about.Agent.ID, about.Integration.ID, "", since, judge.Add); err != nil {
		return nil, err
	}
	found := judge.Judgement()
	found.Since = since
	found.AWSRefused, found.NotSent, err = b.store.RefusedCalls(ctx, about.Agent.ID, about.Integration.ID, since)
	return &found, err
}
