package rolebroker

import "fmt"

// RefusalKind says why STS gave no credentials, as far as its answer tells.
type RefusalKind string

const (
	// The role does not trust us, does not exist, or a policy denies: AWS does not tell these apart.
	RefusedDenied          RefusalKind = "denied"
	RefusedThrottled       RefusalKind = "throttled"        // we asked too often
	RefusedUnreachable     RefusalKind = "unreachable"      // no answer, or one that says STS itself is in trouble
	RefusedNoIdentity      RefusalKind = "no_identity"      // we have no AWS identity of our own
	RefusedIdentityExpired RefusalKind = "identity_expired" // ours has expired
	RefusedIdentity        RefusalKind = "identity_invalid" // ours is not accepted: unknown key, wrong signature
	// STS is not activated in that region for the role's account
	RefusedRegion   RefusalKind = "region_disabled"
	RefusedDuration RefusalKind = "duration" // longer than the role allows, or than role chaining does
	// What AWS finds wrong with the token of a service account, beside RefusedIdentity.
	RefusedIssuer     RefusalKind = "issuer_unreachable" // AWS cannot get the issuer's keys
	RefusedNoProvider RefusalKind = "no_oidc_provider"   // the role's account has no provider for the issuer
	RefusedAudience   RefusalKind = "token_audience"     // the provider does not take the token's audience
	RefusedOther      RefusalKind = "rejected"           // anything else STS found wrong
)

// Temporary reports whether the same call may succeed later with nothing changed in AWS.
func (k RefusalKind) Temporary() bool {
	return k == RefusedThrottled || k == RefusedUnreachable || k == RefusedIssuer
}

// IsKnown reports whether this version knows the kind.
func (k RefusalKind) IsKnown() bool {
	switch k {
	case RefusedDenied, RefusedThrottled, RefusedUnreachable, RefusedNoIdentity, RefusedIdentityExpired,
		RefusedIdentity, RefusedRegion, RefusedDuration, RefusedIssuer, RefusedNoProvider, RefusedAudience, RefusedOther:
		return true
	}
	return false
}

// Code returns the code of the error that an agent gets for the refusal: denied if the role or its setup in AWS has to
// change, unavailable if our own identity or the connection to STS is at fault.
func (k RefusalKind) Code() Code {
	switch k {
	case RefusedDenied, RefusedDuration, RefusedRegion, RefusedNoProvider, RefusedAudience, RefusedOther:
		return CodeDenied
	}
	return CodeUnavailable
}

// Refusal is the error of an AssumeRole call that gave no credentials.
type Refusal struct {
	Kind      RefusalKind
	Code      string // AWS's error code, as on the wire; may be empty
	Message   string // AWS's message, or why the call did not reach AWS
	RequestID string // AWS's; may be empty
	Cause     error  // for the log

	DeniedBy Denier // of RefusedDenied: which policy AWS says denied it; empty if AWS does not say
	Chained  bool   // of RefusedDuration: AWS says that the limit is the hour of role chaining

	Action DeniedAction // of RefusedDenied: which action beside sts:AssumeRole AWS says it denied; may be empty
	Lack   Lack         // of RefusedNoIdentity: why there is no identity; empty if that is not known

	Profile string // of some Lacks: the AWS profile; for the party itself, not sent to others
}

// IsTooLarge reports whether session policies and session tags are too large together. AWS does not publish how it
// measures them.
func (r *Refusal) IsTooLarge() bool { return r.Code == "PackedPolicyTooLarge" }

// DeniedAction is an action that a call to assume a role needs beside sts:AssumeRole.
type DeniedAction string

// The actions. A call needs them too if the caller's own session passes tags or a source identity on.
const (
	ActionTagSession        DeniedAction = "sts:TagSession"
	ActionSetSourceIdentity DeniedAction = "sts:SetSourceIdentity"
)

// Lack says why a party has no AWS identity.
type Lack string

// The lacks that can be told apart.
const (
	LackProfile   Lack = "profile"    // the profile that is named does not exist
	LackLogin     Lack = "login"      // the profile needs a person's login
	LackTokenFile Lack = "token_file" // the file with the web-identity token cannot be read
)

// Denier is the kind of policy that denied a call, according to AWS. Across accounts AWS does not say.
type Denier string

const (
	// a policy of the caller: identity-based, session, permissions boundary
	DeniedByIdentity     Denier = "identity"
	DeniedByTrust        Denier = "trust"        // the role's trust policy
	DeniedByOrganization Denier = "organization" // a service or resource control policy, or that of a VPC endpoint
)

// Error returns AWS's code and message, with the request ID that finds the call in CloudTrail.
func (r *Refusal) Error() string {
	if r.RequestID == "" {
		return r.Reason()
	}
	return fmt.Sprintf("%s (request ID %s)", r.Reason(), r.RequestID)
}

// Reason returns AWS's code and message.
func (r *Refusal) Reason() string {
	if r.Code == "" {
		return r.Message
	}
	return r.Code + ": " + r.Message
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// Party is the program that asks STS for a role, as messages name it. The zero value is the server.
type Party struct {
	Runner  bool           // the runner in the cluster, instead of the server
	Account ServiceAccount // the one whose token STS gets; zero: the party has AWS credentials of its own
}

// String returns the party as a sentence names it, as in "the server".
func (p Party) String() string {
	if p.Account != (ServiceAccount{}) {
		return "the service account " + p.Account.Namespace + "/" + p.Account.Name
	}
	return "the " + p.Program()
}

// Program returns the program that asks, without an article: server or runner.
func (p Party) Program() string {
	if p.Runner {
		return "runner"
	}
	return "server"
}

// credentials names what the party shows to STS.
func (p Party) credentials() string {
	if p.Account != (ServiceAccount{}) {
		return "the token of " + p.String()
	}
	return p.String() + "'s own AWS credentials"
}

// Explain says in one sentence, without AWS's own words, what the refusal means. by is the party that asked for the
// role. called names the role for the reader, as in "role production/readonly". Both role and called are empty for a
// call that was not about a role.
func (r *Refusal) Explain(by Party, role Role, called string) string {
	switch r.Kind {
	case RefusedDenied:
		return fmt.Sprintf("AWS does not let %s assume %s", by, called)
	case RefusedDuration:
		return fmt.Sprintf("AWS does not give sessions of %s for %s", ShortDuration(role.Duration()), called)
	case RefusedRegion:
		return fmt.Sprintf("STS is not activated in %s for account %s", role.Region, role.ARN.Account)
	case RefusedThrottled:
		return fmt.Sprintf("STS is throttling the %s's calls", by.Program())
	case RefusedUnreachable:
		if role.Region == "" {
			return "STS gave no answer"
		}
		return fmt.Sprintf("STS in %s gave no answer", role.Region)
	case RefusedNoIdentity:
		return fmt.Sprintf("%s has no AWS identity of its own", by)
	case RefusedIdentityExpired:
		return fmt.Sprintf("%s expired", by.credentials())
	case RefusedIdentity:
		return fmt.Sprintf("AWS does not accept %s", by.credentials())
	case RefusedIssuer:
		return fmt.Sprintf("AWS cannot get the keys of the issuer of %s", by.credentials())
	case RefusedNoProvider:
		return fmt.Sprintf("account %s has no IAM OpenID Connect provider for the issuer of %s", role.ARN.Account,
			by.credentials())
	case RefusedAudience:
		return fmt.Sprintf("the IAM OpenID Connect provider in account %s does not take the audience of %s",
			role.ARN.Account, by.credentials())
	}
	return "STS refuses " + called
}

// Advise says what to do about a refusal whose cause is the party's own AWS identity or its connection to STS. It is
// empty for the other kinds, which are about the role.
func (r *Refusal) Advise(by Party) Hint {
	switch r.Kind {
	case RefusedNoIdentity:
		return r.adviseIdentity(by)
	case RefusedIdentityExpired:
		return Hintf("renew the %s's AWS credentials; "+
			"long-lived ones, or an instance or container role, renew themselves", by.Program())
	case RefusedIdentity:
		return Hintf("correct the %s's AWS credentials: "+
			"the access key may be deleted, disabled or mistyped, or the %[1]s's clock wrong", by.Program())
	case RefusedUnreachable:
		return Hintf("check whether the %s can reach STS, by HTTPS and perhaps through a proxy", by.Program())
	case RefusedIssuer:
		return Hint{{Text: "AWS reads the keys of a token's issuer over the internet: check from outside of the network " +
			"that this is answered, with ISSUER for the token's claim iss:",
			Command: "curl -fsS ISSUER/.well-known/openid-configuration"}}
	}
	return nil
}

// adviseIdentity says how the party gets an AWS identity.
func (r *Refusal) adviseIdentity(by Party) Hint {
	switch r.Lack {
	case LackProfile:
		return Hint{{Text: fmt.Sprintf("have AWS_PROFILE of the %s name a profile that exists, or unset it:",
			by.Program()), Command: "aws configure list-profiles"}}
	case LackLogin:
		login := "aws sso login"
		if r.Profile != "" && !by.Runner {
			login = ShellCommand("aws", "sso", "login", "--profile", r.Profile)
		}
		return Hint{{Text: fmt.Sprintf("log in, as the user that the %s runs as and on its machine; a login ends after "+
			"some hours, an instance or container role renews itself:", by.Program()), Command: login}}
	case LackTokenFile:
		return Hintf("have AWS_WEB_IDENTITY_TOKEN_FILE, or web_identity_token_file of the profile, name a file that the "+
			"%s can read", by.Program())
	}
	if by.Runner {
		return Hintf("give the runner's pods an AWS identity, with EKS Pod Identity or the node's role, or start the " +
			"runner with --web-identity-token-file")
	}
	return Hintf("give the %s an AWS identity: "+
		"an instance or container role, a web-identity token, a profile or AWS_ACCESS_KEY_ID", by.Program())
}
