package sts

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/rolebroker/rolebroker"
)

// unreadable is the refusal when the operator's environment cannot be read.
func unreadable(err error) error {
	r := &rolebroker.Refusal{Kind: rolebroker.RefusedNoIdentity, Cause: err,
		Message: "the AWS configuration cannot be read"}
	var missing config.SharedConfigProfileNotExistError
	if errors.As(err, &missing) {
		r.Lack, r.Profile = rolebroker.LackProfile, missing.Profile
		r.Message = "the AWS profile " + rolebroker.Quote(missing.Profile) + " is not in the AWS configuration"
	}
	return r
}

// noIdentity is the refusal when there are no credentials to sign with. If the
// chain called STS for them, the refusal has the code of STS's answer.
func noIdentity(ctx context.Context, cfg aws.Config, err error) error {
	if ctx.Err() != nil {
		return &rolebroker.Refusal{Kind: rolebroker.RefusedUnreachable, Cause: err,
			Message: "finding AWS credentials took too long"}
	}
	r := &rolebroker.Refusal{Kind: rolebroker.RefusedNoIdentity, Message: "no AWS credentials were found", Cause: err}
	var asked *rolebroker.Refusal
	switch errors.As(refusal(err), &asked); {
	case asksSTS(err) && asked.Kind.Temporary():
		asked.Message = "getting the credentials for the call: " + asked.Message
		return asked
	case asked.Code != "":
		r.Code, r.RequestID = asked.Code, asked.RequestID
		if asked.Kind == rolebroker.RefusedIdentityExpired {
			r.Kind, r.Message = asked.Kind, asked.Message
		}
		return r
	}
	explainLack(r, cfg)
	return r
}

// asksSTS reports whether the chain failed in a call to STS that was sent: to assume the
// role of a profile, or with a web-identity token.
func asksSTS(err error) bool {
	var call *smithy.OperationError
	var unsent *smithyhttp.RequestSendError
	var answered *smithyhttp.ResponseError
	return errors.As(err, &call) && call.Service() == "STS" && (errors.As(err, &unsent) || errors.As(err, &answered))
}

// explainLack says why the chain found no credentials, if its settings tell.
func explainLack(r *rolebroker.Refusal, cfg aws.Config) {
	for _, source := range cfg.ConfigSources {
		switch source := source.(type) {
		case config.EnvConfig:
			if explainTokenFile(r, source.WebIdentityTokenFilePath) {
				return
			}
		case config.SharedConfig:
			if explainTokenFile(r, source.WebIdentityTokenFile) || explainLogin(r, &source) {
				return
			}
		}
	}
}

func explainTokenFile(r *rolebroker.Refusal, path string) bool {
	if path == "" {
		return false
	}
	f, err := os.Open(path)
	if err == nil {
		_ = f.Close() // it was only read
		return false
	}
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	r.Lack = rolebroker.LackTokenFile
	r.Message = "the web-identity token file " + rolebroker.Quote(path) + " cannot be read: " + err.Error()
	return true
}

// explainLogin recognizes a profile, or one that it takes its credentials from, for
// which a person has to log in.
func explainLogin(r *rolebroker.Refusal, profile *config.SharedConfig) bool {
	for ; profile != nil; profile = profile.Source {
		if profile.SSOSessionName != "" || profile.SSOStartURL != "" {
			r.Lack, r.Profile = rolebroker.LackLogin, profile.Profile
			r.Message = "the AWS profile " + rolebroker.Quote(profile.Profile) +
				" needs a login to IAM Identity Center (SSO), and has none that is valid"
			return true
		}
	}
	return false
}
