package api

import "time"

// AWSTokenRequest is an agent's asking for one request to AWS that is signed for it. Each kind has its own fields.
type AWSTokenRequest struct {
	Kind   string `json:"kind"`             // eks, rds, codecommit or s3
	Role   string `json:"role,omitempty"`   // a role reference; empty: the default role
	Task   string `json:"task,omitempty"`   // what the agent is doing
	Access string `json:"access,omitempty"` // read-only: no more than that; empty: what its connection permits
	Region string `json:"region,omitempty"` // empty: that of the host, or else the role's

	ClusterName string `json:"cluster_name,omitempty"` // eks
	Hostname    string `json:"hostname,omitempty"`     // rds and codecommit
	Port        int    `json:"port,omitempty"`         // rds
	Username    string `json:"username,omitempty"`     // rds: of the database
	Path        string `json:"path,omitempty"`         // codecommit: of the URL, as in v1/repos/orders
	Bucket      string `json:"bucket,omitempty"`       // s3
	Key         string `json:"key,omitempty"`          // s3
	Method      string `json:"method,omitempty"`       // s3: GET, HEAD, PUT or DELETE; empty: GET
	ExpiresIn   string `json:"expires_in,omitempty"`   // s3: as in 5m; empty: 15m, or less if the server permits less
}

// AWSToken is a request to AWS that was signed for an agent. Whoever has it can send the request until it expires.
type AWSToken struct {
	Token     Secret    `json:"token"`              // as the program that is given it takes it; of kind s3, a URL
	Username  Secret    `json:"username,omitempty"` // codecommit: goes with it
	ExpiresAt time.Time `json:"expires_at"`         // when AWS stops to accept it
	RoleARN   string    `json:"role_arn"`
	Region    string    `json:"region"`
	Call      string    `json:"call"` // the ID of its record among the calls
}
