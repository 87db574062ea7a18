package api

import "time"

// Credentials are the credentials of a borrowed role, as the AWS SDKs read them.
//
// Source: AWS SDKs and Tools Reference Guide, "Container credential provider".
type Credentials struct {
	AccessKeyID     string    `json:"AccessKeyId"`
	SecretAccessKey Secret    `json:"SecretAccessKey"`
	Token           Secret    `json:"Token"`      // the session token
	Expiration      time.Time `json:"Expiration"` // UTC, whole seconds
	RoleARN         string    `json:"RoleArn"`
	AccountID       string    `json:"AccountId"`
	// what they may do, which no SDK reads; empty: a server of an earlier version lent them
	Access string `json:"Access,omitempty"`
	// withheld: only the gateway knows them, not AWS; empty: they are AWS's
	Keys string `json:"Keys,omitempty"`
}
