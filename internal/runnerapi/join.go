package runnerapi

import (
	"net/http"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
)

func (s *server) join(w http.ResponseWriter, r *http.Request) {
	made, err := s.joined(r)
	if err != nil {
		s.refuse(w, r, aboutTheRunner(err))
		return
	}
	write(w, http.StatusOK, made)
}

func (s *server) joined(r *http.Request) (made api.RunnerCredential, err error) {
	in, err := read[api.JoinRequest](r, small)
	if err != nil {
		return made, err
	}
	who, err := s.Auth.JoinToken(r.Context(), in.Token.Reveal(), r.RemoteAddr)
	if err != nil {
		return made, err
	}
	runner, key, secret, err := s.Broker.Join(r.Context(), who, in.Program)
	if err != nil {
		return made, err
	}
	return convert.RunnerCredential(runner, key, secret), nil
}

func (s *server) renewCredential(r *http.Request, who rolebroker.Caller) (made api.RunnerCredential, err error) {
	runner, key, secret, err := s.Broker.RenewCredential(r.Context(), who)
	if err != nil {
		return made, err
	}
	return convert.RunnerCredential(runner, key, secret), nil
}

func (s *server) report(r *http.Request, who rolebroker.Caller, in api.RunnerReport) error {
	return s.Broker.RecordReport(r.Context(), who, convert.FromRunnerReport(in))
}
