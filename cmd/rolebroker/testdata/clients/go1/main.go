// A client with the first AWS SDK for Go. Package main's sdk_test.go describes what
// clients do.
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/sts"
)

func main() {
	for _, profile := range os.Args[1:] {
		if profile == "wait" {
			fmt.Println("waiting")
			bufio.NewReader(os.Stdin).ReadString('\n')
			continue
		}
		if err := introduce(profile); err != nil {
			log.Fatal(err)
		}
	}
}

func introduce(profile string) error {
	s, err := session.NewSessionWithOptions(session.Options{Profile: profile,
		Config: aws.Config{Endpoint: aws.String(os.Getenv("AWS_ENDPOINT_URL"))}}) // this SDK does not read it
	if err != nil {
		return err
	}
	me, err := sts.New(s).GetCallerIdentity(nil)
	if err != nil {
		return err
	}
	fmt.Println(aws.StringValue(s.Config.Region), aws.StringValue(me.Arn))
	return nil
}
