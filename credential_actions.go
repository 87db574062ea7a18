package rolebroker

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// CredentialActions are patterns of the IAM actions whose answers have credentials, or that make credentials: what they
// return outlives the session, or leaves its limits. ssm:GetParameter is not among them, because it returns plain
// parameters too; sessions of read-only and view-only access cannot have it decrypt any.
//
// Source: the flag credentials_exposure of iann0036/iam-dataset, August 2026, the Service Authorization Reference of
// each service, and the answers of operations in botocore 1.43.11.
func CredentialActions() []string { return strings.Fields(credentialActions) }

const credentialActions = `
	athena:GetSessionEndpoint
	bedrock-agentcore:GetResourceApiKey
	bedrock-agentcore:GetResourceOauth2Token
	bedrock-agentcore:GetWorkloadAccessToken*
	codeartifact:GetAuthorizationToken
	codepipeline:Get*JobDetails
	cognito-identity:GetCredentialsForIdentity
	cognito-identity:GetOpenIdToken*
	cognito-idp:GetTokensFromRefreshToken
	connect:GetFederationToken*
	ec2:GetPasswordData
	ecr-public:GetAuthorizationToken
	ecr:GetAuthorizationToken
	eks-auth:AssumeRoleForPodIdentity
	elasticmapreduce:GetClusterSessionCredentials
	emr-containers:GetManagedEndpointSessionCredentials
	gamelift:GetCompute*
	gamelift:GetInstanceAccess
	iam:CreateAccessKey
	iam:CreateLoginProfile
	iam:CreateServiceSpecificCredential
	iot:AssumeRoleWithCertificate
	lakeformation:GetDataAccess
	lakeformation:GetTemporary*
	license-manager:GetAccessToken
	lightsail:DownloadDefaultKeyPair
	lightsail:GetBucketAccessKeys
	lightsail:GetInstanceAccessDetails
	lightsail:GetKeyPair
	lightsail:GetRelationalDatabaseMasterUserPassword
	redshift-serverless:GetCredentials
	redshift:GetClusterCredentials*
	rolesanywhere:CreateSession
	s3:GetDataAccess
	s3express:CreateSession
	secretsmanager:BatchGetSecretValue
	secretsmanager:GetSecretValue
	signin:CreateOAuth2Token
	sso:GetRoleCredentials
	sts:Assume*
	sts:Get*Token
`

// noCredentials is the policy that denies a session the CredentialActions, and to have Systems Manager decrypt the
// parameters that are secret. It allows nothing: it goes with a managed policy that does.
//
// Source: AWS KMS Developer Guide, "kms:ViaService".
var noCredentials = sync.OnceValue(func() string {
	type statement struct {
		Effect, Resource string
		Action           any
		Condition        any `json:",omitempty"`
	}
	text, err := json.Marshal(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", []statement{
		{Effect: "Deny", Resource: "*", Action: CredentialActions()},
		{Effect: "Deny", Resource: "*", Action: "kms:Decrypt",
			Condition: map[string]any{"StringLike": map[string]string{"kms:ViaService": "ssm.*"}}},
	}})
	if err != nil {
		panic("encoding a policy of plain strings: " + err.Error())
	}
	return string(text)
})

// FurtherCredentialActions are patterns of actions and operations whose answers have credentials, a token or a private
// key, and which CredentialActions does not name: a session policy has no room for them. Together the two lists are the
// reviewed one; a name that is on both is a mistake. Each line has its reason.
//
// Source: the API Reference of each service, as botocore 1.43.11 has it.
func FurtherCredentialActions() []string {
	var patterns []string
	for line := range strings.Lines(furtherCredentials) {
		pattern, _, _ := strings.Cut(line, "#")
		patterns = append(patterns, strings.Fields(pattern)...)
	}
	return patterns
}

const furtherCredentials = `
	acm:ExportCertificate                                  # a private key
	airflow:CreateCliToken airflow:CreateWebLoginToken     # a token of Airflow's own API
	amplifyuibuilder:ExchangeCodeForToken amplifyuibuilder:RefreshToken  # tokens
	apigateway:CreateApiKey apigateway:GetApiKey*          # API keys, in plain text if asked for
	appsync:CreateApiKey appsync:ListApiKeys               # API keys are their own IDs
	amplifybackend:GetBackendAuth                          # the private key for signing in with Apple
	appstream:*DirectoryConfig*                            # the password of a service account
	bedrock-agentcore:GetResourcePaymentToken              # a token
	connecthealth:GetPatientInsightsJob                    # a token for a FHIR server
	datazone:CreateConnection datazone:UpdateConnection datazone:ListConnections  # as GetConnection, and OAuth secrets
	pinpoint:*GcmChannel pinpoint:*BaiduChannel            # the key of a push service
	quicksight:DescribeAssetBundleImportJob                # passwords of data sources
	wickr:GetOidcInfo                                      # a token of a person
	appstream:Create*StreamingURL                          # a URL that signs in
	athena:CreatePresignedNotebookUrl                      # a token for a notebook
	cloud9:CreateEnvironmentToken                          # a token for an environment
	codebuild:StartSandboxConnection                       # a token for a shell
	codecatalyst:CreateAccessToken                         # a personal access token
	codecatalyst:StartDevEnvironmentSession                # a token for a shell
	codepipeline:PollFor*Jobs                              # AWS credentials of the artifacts of a job
	cognito-idp:AdminInitiateAuth cognito-idp:InitiateAuth # tokens of a user
	cognito-idp:AdminRespondToAuthChallenge cognito-idp:RespondToAuthChallenge  # as above
	cognito-idp:CreateUserPoolClient cognito-idp:DescribeUserPoolClient  # client secrets
	cognito-idp:UpdateUserPoolClient cognito-idp:*UserPoolClientSecret*  # as above
	cognito-idp:AssociateSoftwareToken                     # the seed of a second factor
	connect:CreateParticipant                              # a participant token
	connectparticipant:CreateParticipantConnection         # a connection token
	datazone:GetEnvironmentCredentials                     # AWS credentials of an environment
	datazone:GetConnection                                 # AWS credentials of a connection, if asked for
	deadline:Assume*                                       # AWS credentials of a queue or fleet
	ec2:CreateKeyPair                                      # a private key
	ecs:ExecuteCommand                                     # a token for a shell, beside the keys of the task
	elasticmapreduce:Get*PresignedURL                      # a URL that signs in
	emr-serverless:GetSessionEndpoint                      # a token
	finspace-api:GetProgrammaticAccessCredentials          # AWS credentials
	finspace-data:GetExternalDataViewAccessDetails         # AWS credentials
	finspace-data:ResetUserPassword                        # a password
	finspace:CreateUser finspace:ResetUserPassword finspace:GetKxConnectionString  # passwords
	gamelift:CreateBuild gamelift:RequestUploadCredentials # AWS credentials to upload with
	grafana:CreateWorkspaceApiKey grafana:CreateWorkspaceServiceAccountToken  # a token of Grafana
	iam:CreateVirtualMFADevice                             # the seed of a second factor
	iam:ResetServiceSpecificCredential                     # a new password
	iam:UpdateLoginProfile                                 # sets a password
	iot:CreateKeysAndCertificate iot:CreateProvisioningClaim  # a private key
	iot:OpenTunnel iot:RotateTunnelAccessToken             # tokens for a tunnel to a device
	iotmanagedintegrations:CreateProvisioningProfile       # a private key
	ivs:CreateStreamKey ivs:GetStreamKey ivs:BatchGetStreamKey ivs:CreateParticipantToken  # a stream key or token
	kinesisanalytics:CreateApplicationPresignedUrl         # a URL that signs in
	lakeformation:AssumeDecoratedRoleWithSAML              # AWS credentials
	license-manager:CreateToken                            # a token that GetAccessToken takes
	lightsail:CreateContainerServiceRegistryLogin          # a password
	lightsail:CreateKeyPair lightsail:CreateBucketAccessKey  # keys
	qapps:CreateSubscriptionToken                          # a token
	quicksight:GenerateEmbedUrl* quicksight:GetDashboardEmbedUrl quicksight:GetSessionEmbedUrl  # a URL that signs in
	redshift:GetIdentityCenterAuthToken redshift-serverless:GetIdentityCenterAuthToken  # a token
	sagemaker:CreatePresigned*                             # a URL that signs in
	sagemaker:StartSession                                 # a token for a shell
	ssm:GetAccessToken                                     # AWS credentials of an approved access request
	ssm:StartSession ssm:ResumeSession                     # a token for a shell
	sso-oauth:CreateToken* sso-oidc:CreateToken sso-oidc:RegisterClient  # tokens
	storagegateway:DescribeChapCredentials                 # passwords of iSCSI
	workmail:AssumeImpersonationRole                       # a token
`

// conditionalCredentialActions return credentials for some requests only: secret parameters, decrypted.
const conditionalCredentialActions = "ssm:GetParameter*"

var credentialPatterns = sync.OnceValue(func() []string {
	all := append(CredentialActions(), FurtherCredentialActions()...)
	for i := range all {
		all[i] = strings.ToLower(all[i])
	}
	return all
})

// ReturnsCredentials says whether the answer of an IAM action has credentials, a token or a private key, or the action
// makes some. The list is the one that read-only access denies, and what there is no room for in a session policy.
func ReturnsCredentials(action string) bool {
	action = strings.ToLower(action)
	return slices.ContainsFunc(credentialPatterns(), func(p string) bool { return glob(p, action) })
}

// MaxAllowedActions is how many AllowedActions a connection can have.
const MaxAllowedActions = 50

// AllowsAction reports whether the connection lets the agent have the credentials that an action returns.
func (c *Connection) AllowsAction(action string) bool {
	return slices.ContainsFunc(c.AllowedActions, func(a string) bool { return strings.EqualFold(a, action) })
}

// checkActions adds what is wrong with the AllowedActions.
func (c *Connection) checkActions(path string, p *problems) {
	switch {
	case len(c.AllowedActions) > MaxAllowedActions:
		p.add(path+"allowed_actions", "has %d; at most %d are allowed", len(c.AllowedActions), MaxAllowedActions)
		return
	case len(c.AllowedActions) > 0 && c.Keys != KeysWithheld:
		p.add(path+"allowed_actions", "is possible only with keys %s: the gateway refuses what returns credentials, and "+
			"AWS keys work without it", Quote(string(KeysWithheld)))
		return
	}
	for i, action := range c.AllowedActions {
		at := path + "allowed_actions[" + strconv.Itoa(i) + "]"
		isDenied := func(p string) bool { return glob(strings.ToLower(p), strings.ToLower(action)) }
		switch {
		case !isAction(action):
			p.add(at, "%s is not an action of IAM by its full name, as in secretsmanager:GetSecretValue", Quote(action))
		case !ReturnsCredentials(action) && !strings.EqualFold(action, ActionEKSToken) &&
			!glob(strings.ToLower(conditionalCredentialActions), strings.ToLower(action)):
			p.add(at, "%s is not among the actions that return credentials, and needs no leave: the access and the role "+
				"say whether the agent may have it", Quote(action))
		case c.Access.IsReadOnly() && slices.ContainsFunc(CredentialActions(), isDenied):
			p.add(at, "%s is denied by access %s, in AWS; allow it with access full or policy", Quote(action), c.Access)
		case slices.ContainsFunc(c.AllowedActions[:i], func(a string) bool { return strings.EqualFold(a, action) }):
			p.add(at, "%s is listed twice", Quote(action))
		}
	}
}
