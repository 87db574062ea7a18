// A client with the AWS SDK for JavaScript 3. sdk_test.go describes what clients do.
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const { argv, stdin } = process;
for (const profile of argv.slice(2)) {
  if (profile === "wait") {
    console.log("waiting");
    await new Promise((resolve) => stdin.once("data", resolve));
    stdin.pause();
    continue;
  }
  const sts = new STSClient({ profile: profile || undefined });
  const { Arn } = await sts.send(new GetCallerIdentityCommand({}));
  console.log(await sts.config.region(), Arn);
}
