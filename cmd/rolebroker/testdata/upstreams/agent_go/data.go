package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	db2 "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	aws1 "github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/session"
	db1 "github.com/aws/aws-sdk-go/service/dynamodb"
	sqs1api "github.com/aws/aws-sdk-go/service/sqs"
)

const text = "a message & more: ü 日本 <x>\n"

func dynamoDB2(ctx context.Context) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	db, table := dynamodb.NewFromConfig(cfg), aws.String("go2")
	if _, err := db.CreateTable(ctx, &dynamodb.CreateTableInput{TableName: table,
		BillingMode:          db2.BillingModePayPerRequest,
		KeySchema:            []db2.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: db2.KeyTypeHash}},
		AttributeDefinitions: []db2.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: "S"}},
	}); err != nil {
		return err
	}
	exists := dynamodb.NewTableExistsWaiter(db, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	})
	if err := exists.Wait(ctx, &dynamodb.DescribeTableInput{TableName: table}, time.Minute); err != nil {
		return err
	}
	key := map[string]db2.AttributeValue{"id": &db2.AttributeValueMemberS{Value: "ü"}}
	raw := random(300)
	if _, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: map[string]db2.AttributeValue{
		"id": key["id"], "raw": &db2.AttributeValueMemberB{Value: raw}}}); err != nil {
		return err
	}
	got, err := db.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: key})
	if err != nil {
		return err
	}
	back, _ := got.Item["raw"].(*db2.AttributeValueMemberB)
	if back == nil {
		return fmt.Errorf("the item is %v", got.Item)
	}
	if err := differ("an attribute", back.Value, raw); err != nil {
		return err
	}
	_, err = db.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: key,
		ConditionExpression: aws.String("attribute_not_exists(id)")})
	if failed := new(db2.ConditionalCheckFailedException); !errors.As(err, &failed) {
		return fmt.Errorf("a condition that does not hold: %w", err)
	}
	return nil
}

// told returns a session of the SDK for Go 1, which knows no variable for the endpoint.
func told() (*session.Session, error) {
	return session.NewSession(&aws1.Config{Endpoint: aws1.String(os.Getenv("AWS_ENDPOINT_URL"))})
}

func dynamoDB1() error {
	sess, err := told()
	if err != nil {
		return err
	}
	db, table, name := db1.New(sess), aws1.String("go1"), aws1.String("id")
	if _, err := db.CreateTable(&db1.CreateTableInput{TableName: table, BillingMode: aws1.String("PAY_PER_REQUEST"),
		KeySchema:            []*db1.KeySchemaElement{{AttributeName: name, KeyType: aws1.String("HASH")}},
		AttributeDefinitions: []*db1.AttributeDefinition{{AttributeName: name, AttributeType: aws1.String("S")}},
	}); err != nil {
		return err
	}
	if err := db.WaitUntilTableExists(&db1.DescribeTableInput{TableName: table}); err != nil {
		return err
	}
	key := map[string]*db1.AttributeValue{"id": {S: aws1.String("ü")}}
	raw := random(300)
	if _, err := db.PutItem(&db1.PutItemInput{TableName: table, Item: map[string]*db1.AttributeValue{
		"id": key["id"], "raw": {B: raw}}}); err != nil {
		return err
	}
	got, err := db.GetItem(&db1.GetItemInput{TableName: table, Key: key})
	if err != nil {
		return err
	}
	if got.Item["raw"] == nil {
		return fmt.Errorf("the item is %v", got.Item)
	}
	return differ("an attribute", got.Item["raw"].B, raw)
}

func sqs2(ctx context.Context) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := sqs.NewFromConfig(cfg)
	queue, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("go2")})
	if err != nil {
		return err
	}
	_, err = client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: aws.String(text)})
	if err != nil {
		return err
	}
	got, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, WaitTimeSeconds: 5})
	if err != nil {
		return err
	}
	if len(got.Messages) != 1 || *got.Messages[0].Body != text {
		return fmt.Errorf("the messages are %v", got.Messages)
	}
	_, err = client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: queue.QueueUrl,
		ReceiptHandle: got.Messages[0].ReceiptHandle})
	return err
}

func sqs1() error {
	sess, err := told()
	if err != nil {
		return err
	}
	client := sqs1api.New(sess)
	queue, err := client.CreateQueue(&sqs1api.CreateQueueInput{QueueName: aws1.String("go1")})
	if err != nil {
		return err
	}
	_, err = client.SendMessage(&sqs1api.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: aws1.String(text)})
	if err != nil {
		return err
	}
	got, err := client.ReceiveMessage(&sqs1api.ReceiveMessageInput{QueueUrl: queue.QueueUrl,
		WaitTimeSeconds: aws1.Int64(5)})
	if err != nil {
		return err
	}
	if len(got.Messages) != 1 || *got.Messages[0].Body != text {
		return fmt.Errorf("the messages are %v", got.Messages)
	}
	_, err = client.DeleteMessage(&sqs1api.DeleteMessageInput{QueueUrl: queue.QueueUrl,
		ReceiptHandle: got.Messages[0].ReceiptHandle})
	return err
}
