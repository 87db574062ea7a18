// An agent that says who it is in AWS, once for each role it was told to use.
//
//	rolebroker exec -- go run . deployer
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func main() {
	for _, role := range append([]string{""}, os.Args[1:]...) { // "" is the default role
		if err := introduce(context.Background(), role); err != nil {
			log.Fatal(err)
		}
	}
}

func introduce(ctx context.Context, role string) error {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(role))
	if err != nil {
		return err
	}
	me, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return err
	}
	if role == "" {
		role = "by default"
	}
	fmt.Printf("%s: %s\n", role, aws.ToString(me.Arn))
	return nil
}
