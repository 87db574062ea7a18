package api

// ProblemType is the media type of a [Problem].
const ProblemType = "application/problem+json"

// RequestIDHeader is the header of requests and answers with the ID of the request.
const RequestIDHeader = "X-Request-Id"

// Problem is the answer to a request that failed.
//
// Source: RFC 9457.
type Problem struct {
	Type      string       `json:"type" doc:"Always about:blank: code says what kind of problem it is." example:"about:blank"`
	Title     string       `json:"title" doc:"The status in words." example:"Bad Request"`
	Status    int          `json:"status" doc:"The HTTP status." example:"400"`
	Detail    string       `json:"detail" doc:"What went wrong, in one sentence." example:"the integration is not valid"`
	Code      string       `json:"code" enum:"invalid,unauthenticated,expired,denied,approval_required,not_found,conflict,stale,throttled,unavailable,internal,token_issuer,token_audience,token_signature,not_bound" doc:"What kind of problem it is, for programs." example:"invalid"`
	Hint      string       `json:"hint,omitempty" doc:"What to do next."`
	HintSteps []HintStep   `json:"hint_steps,omitempty" nullable:"false" doc:"The hint as separate steps."`
	RequestID string       `json:"request_id,omitempty" doc:"The ID of the request, as in the header X-Request-Id, by which the server's log and the audit trail are searched." example:"7mzq2k4vprb5xw3tdn6hjc8ysa"`
	Wait      int          `json:"-"` // the header Retry-After, in seconds; 0: as the status has it
	Errors    []FieldError `json:"errors,omitempty" nullable:"false" doc:"The fields that are wrong."`
}

// FieldError is one wrong field of the input.
type FieldError struct {
	Pointer   string     `json:"pointer,omitempty" doc:"The field as a JSON pointer into the body (RFC 6901); left out for parameters and headers." example:"/roles/2/arn"`
	Field     string     `json:"field" doc:"The field as people write it." example:"roles[2].arn"`
	Message   string     `json:"message" doc:"What is wrong and what is expected." example:"is required; a role's ARN has the form arn:aws:iam::123456789012:role/Name"`
	Hint      string     `json:"hint,omitempty" doc:"What to do about it, if the message does not say it; several lines."`
	HintSteps []HintStep `json:"hint_steps,omitempty" nullable:"false" doc:"The hint as separate steps."`
}

// Refusal is an error as the credentials endpoint answers it, and as an answer to a
// runner has it if the server refuses an agent.
type Refusal struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	// of the request, as in the header X-Request-Id; empty in an answer to a runner
	RequestID string `json:"request_id,omitempty"`
}
