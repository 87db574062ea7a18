package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rolebroker/rolebroker"
)

const validationRequestColumns = `id, runner_id, subject, requested_at, taken_at, finished_at, findings`

var (
	insertValidationRequest = newStatement("insertValidationRequest", `
		INSERT INTO validation_requests (`+validationRequestColumns+`) VALUES ($1, $2, $3, $4, 0, 0, '')`)
	forgetValidationRequests = newStatement("forgetValidationRequests",
		`DELETE FROM validation_requests WHERE runner_id = $1 AND requested_at < $2`)
	validationRequestByID = newStatement("validationRequestByID",
		`SELECT `+validationRequestColumns+` FROM validation_requests WHERE id = $1`)
	takeValidationRequests = newStatement("takeValidationRequests", `
		UPDATE validation_requests SET taken_at = $3
		WHERE runner_id = $1 AND requested_at >= $2 AND taken_at = 0 RETURNING `+validationRequestColumns)
	answerValidationRequest = newStatement("answerValidationRequest", `
		UPDATE validation_requests SET findings = findings || $3, finished_at = $4
		WHERE id = $1 AND runner_id = $2 AND finished_at = 0`)
)

// validationSubject is the column subject.
type validationSubject struct {
	Integration rolebroker.Integration
	Tried       rolebroker.Tried `json:"Names"`
	Wait        time.Duration
}

// CreateValidationRequest stores r, and tells it to the streams of its runner on every server. It deletes the
// runner's requests that were made before forget. Codes: not_found (the runner).
func (s *Store) CreateValidationRequest(
	ctx context.Context, r *rolebroker.ValidationRequest, forget time.Time,
) error {
	subject, err := json.Marshal(validationSubject{r.Integration, r.Tried, r.Wait})
	if err != nil {
		return fmt.Errorf("writing the subject of a validation request: %w", err)
	}
	return s.change(ctx, func(ctx context.Context, tx *tx) error {
		if _, err := tx.exec(ctx, forgetValidationRequests, r.Runner, millis(forget)); err != nil {
			return err
		}
		_, err := tx.exec(ctx, insertValidationRequest, r.ID, r.Runner, clean(string(subject)), millis(r.RequestedAt))
		if violated(err) == missingReferent {
			return notFound("runner", string(r.Runner))
		}
		tx.changes = append(tx.changes, rolebroker.Change{Validate: r.Runner})
		return err
	})
}

// ValidationRequest returns a request by ID, with the findings so far. Codes: not_found.
func (s *Store) ValidationRequest(
	ctx context.Context, id rolebroker.ValidationRequestID,
) (*rolebroker.ValidationRequest, error) {
	var found []rolebroker.ValidationRequest
	err := s.query(ctx, validationRequestByID, scanValidationRequests(&found), clean(id))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, notFound("validation request", string(id))
	}
	return &found[0], nil
}

// TakeValidationRequests returns the requests of a runner that were made since a time and that nobody has taken, and
// stores now as the time when they were taken.
func (s *Store) TakeValidationRequests(
	ctx context.Context, runner rolebroker.RunnerID, since, now time.Time,
) (taken []rolebroker.ValidationRequest, err error) {
	err = s.change(ctx, func(ctx context.Context, tx *tx) error {
		taken = nil
		return tx.query(ctx, takeValidationRequests, scanValidationRequests(&taken), runner, millis(since), millis(now))
	})
	return taken, err
}

// AnswerValidationRequest adds findings to a request of the runner that is not finished. finished is when it was; zero:
// it goes on. Codes: not_found.
func (s *Store) AnswerValidationRequest(
	ctx context.Context, runner rolebroker.RunnerID, id rolebroker.ValidationRequestID,
	findings []rolebroker.RoleFinding, finished time.Time,
) error {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, f := range findings {
		if f.Finding.Refusal != nil { // its cause is for the log of the runner
			refusal := *f.Finding.Refusal
			refusal.Cause = nil
			f.Finding.Refusal = &refusal
		}
		if err := encoder.Encode(f); err != nil {
			return fmt.Errorf("writing the findings of a validation request: %w", err)
		}
	}
	answered, err := s.run(ctx, answerValidationRequest, clean(id), runner, clean(lines.String()), millis(finished))
	if err == nil && answered == 0 {
		return notFound("validation request", string(id))
	}
	return err
}

func scanValidationRequests(into *[]rolebroker.ValidationRequest) func(scan) error {
	return func(scan scan) error {
		var r rolebroker.ValidationRequest
		var subject, findings string
		err := scan(&r.ID, &r.Runner, &subject, timeColumn{&r.RequestedAt}, timeColumn{&r.TakenAt},
			timeColumn{&r.FinishedAt}, &findings)
		if err != nil {
			return err
		}
		var of validationSubject
		if err := json.Unmarshal([]byte(subject), &of); err != nil {
			return fmt.Errorf("reading the subject of a validation request: %w", err)
		}
		r.Integration, r.Tried, r.Wait = of.Integration, of.Tried, of.Wait
		for lines := json.NewDecoder(bytes.NewReader([]byte(findings))); lines.More(); {
			var f rolebroker.RoleFinding
			if err := lines.Decode(&f); err != nil {
				return fmt.Errorf("reading the findings of a validation request: %w", err)
			}
			r.Findings = append(r.Findings, f)
		}
		*into = append(*into, r)
		return nil
	}
}
