// An agent that says who it is in AWS, once for each role it was told to use.
//
//   npm ci && rolebroker exec -- node agent.mjs deployer
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

async function introduce(role) {
  const sts = new STSClient({ profile: role }); // undefined is the default role
  const { Arn } = await sts.send(new GetCallerIdentityCommand({}));
  console.log(`${role ?? "by default"}: ${Arn}`);
}

for (const role of [undefined, ...process.argv.slice(2)]) {
  await introduce(role);
}
