// A client with the AWS SDK for JavaScript 2. sdk_test.go describes what clients do.
// Naming a profile in code does not choose its region: that is a limit of this SDK.
const AWS = require("aws-sdk");
const { stdin } = process;

async function introduce(profile) {
  const options = { endpoint: process.env.AWS_ENDPOINT_URL }; // this SDK does not read it
  if (profile) options.credentials = new AWS.ProcessCredentials({ profile });
  const sts = new AWS.STS(options);
  const { Arn } = await sts.getCallerIdentity().promise();
  console.log(sts.config.region, Arn);
}

async function main() {
  for (const profile of process.argv.slice(2)) {
    if (profile === "wait") {
      console.log("waiting");
      await new Promise((resolve) => stdin.once("data", resolve));
      stdin.pause();
    } else {
      await introduce(profile);
    }
  }
}

main().catch((err) => {
  console.error(err.message, err.originalError?.message ?? "");
  process.exit(1);
});
