// An agent that says who it is in AWS, once for each role it was told to use.
//
//   npm ci && rolebroker exec -- node agent.mjs deployer
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { fromIni } from "@aws-sdk/credential-providers";

async function introduce(role) {
  // Without fromIni, a role that is missing would be whatever else the SDK finds.
  const sts = new STSClient(role ? { profile: role, credentials: fromIni({ profile: role }) } : {});
  const { Arn } = await sts.send(new GetCallerIdentityCommand({}));
  console.log(`${role ?? "by default"}: ${Arn}`);
}

for (const role of [undefined, ...process.argv.slice(2)]) {
  await introduce(role);
}
