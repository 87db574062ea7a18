package action

import "testing"

// What these answer works at AWS without the gateway, or is a shell where there are AWS credentials: the members of
// their answers in botocore's models say so.
func TestAnswersThatWorkElsewhereAreCredentials(t *testing.T) {
	for _, of := range []struct{ signing, model, operation, answer string }{
		{"codebuild", "codebuild", "StartSandboxConnection", "ssmSession.tokenValue"},
		{"codepipeline", "codepipeline", "GetJobDetails", "jobDetails.data.artifactCredentials"},
		{"codepipeline", "codepipeline", "GetThirdPartyJobDetails", "jobDetails.data.artifactCredentials"},
		{"codepipeline", "codepipeline", "PollForJobs", "jobs.data.artifactCredentials"},
		{"datazone", "datazone", "GetConnection", "connectionCredentials"},
		{"ecs", "ecs", "ExecuteCommand", "session.tokenValue"},
		{"finspace-api", "finspace-data", "GetExternalDataViewAccessDetails", "credentials"},
		{"gamelift", "gamelift", "CreateBuild", "UploadCredentials"},
		{"gamelift", "gamelift", "GetComputeAccess", "Credentials"},
		{"gamelift", "gamelift", "GetComputeAuthToken", "AuthToken"},
		{"gamelift", "gamelift", "RequestUploadCredentials", "UploadCredentials"},
		{"license-manager", "license-manager", "GetAccessToken", "AccessToken"},
		{"sagemaker", "sagemaker", "StartSession", "TokenValue"},
		{"ssm", "ssm", "StartSession", "TokenValue"},
	} {
		op := (*operation)(nil)
		for _, s := range groupOf(of.signing).services {
			if s.name == of.model {
				op = s.byID[of.operation]
			}
		}
		if op == nil || !op.credentials {
			t.Errorf("%s.%s answers %s, and does not return credentials: %v", of.model, of.operation, of.answer, op)
		}
	}
}
