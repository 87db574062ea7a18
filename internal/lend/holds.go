package lend

import (
	"context"

	"github.com/rolebroker/rolebroker"
)

// May returns nil if the caller may borrow what it asks for now. It asks no STS. Codes: as Lend's, without those of STS.
func (l *Lender) May(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) error {
	_, _, err := l.decide(ctx, who, req)
	return err
}

// Holds returns nil while a loan of the caller's may still be used, and else why not: the agent may no longer have the
// role, or lending of it ended since, even if it has begun again. It asks as Lend does, and hands nothing out. While
// nobody can tell, the loan holds. Codes: as Lend's, without those of STS.
func (l *Lender) Holds(
	ctx context.Context, who rolebroker.Caller, req rolebroker.Request, loan *rolebroker.Loan,
) error {
	_, grant, err := l.decide(ctx, who, req)
	switch {
	case rolebroker.IsOutage(err), ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	case grant.Role.ID != loan.Role.ID, grant.Role.Generation != loan.Role.Generation:
		return rolebroker.Errorf(rolebroker.CodeExpired, "what was lent of role %s to the agent was ended", grant.Reference())
	}
	return nil
}
