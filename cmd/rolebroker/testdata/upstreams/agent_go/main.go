// Command agent_go does with S3, DynamoDB and SQS what an agent does, by the client that its argument names: go2,
// minio, or go1, which has to be told the endpoint. It ends with an error if anything is not as the service promises.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	aws1 "github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/session"
	s31 "github.com/aws/aws-sdk-go/service/s3"
	"github.com/aws/aws-sdk-go/service/s3/s3manager"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const bucket = "bucket"

var keys = []string{"plain", "a dir/k+1", "a%2Fb", "ü/ß€", "q?a=b&c", "star*!'()", "=eq@:,;$", `quo"te`, "tilde~-_."}

func main() {
	log.SetFlags(log.Lshortfile)
	ctx := context.Background()
	var err error
	switch os.Args[1] {
	case "go1":
		err = go1()
	case "go2":
		err = go2(ctx)
	case "minio":
		err = viaMinio(ctx, os.Args[2] == "https")
	case "dynamodb-go2":
		err = dynamoDB2(ctx)
	case "dynamodb-go1":
		err = dynamoDB1()
	case "sqs-go2":
		err = sqs2(ctx)
	case "sqs-go1":
		err = sqs1()
	case "large":
		err = large(ctx, os.Args[2])
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("done")
}

// stream is a reader that cannot seek.
type stream struct{ io.Reader }

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func differ(what string, got, want []byte) error {
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s: %d bytes came back of %d, or others", what, len(got), len(want))
	}
	return nil
}

func go2(ctx context.Context) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := s3.NewFromConfig(cfg)
	get := func(key string, change ...func(*s3.GetObjectInput)) ([]byte, error) {
		in := &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key, ChecksumMode: types.ChecksumModeEnabled}
		for _, c := range change {
			c(in)
		}
		out, err := client.GetObject(ctx, in)
		if err != nil {
			return nil, err
		}
		defer out.Body.Close()
		return io.ReadAll(out.Body)
	}
	for _, key := range keys {
		body := []byte("content of " + key)
		if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("go2/" + key),
			Body: bytes.NewReader(body), Metadata: map[string]string{"a": "x  y"}}); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		got, err := get("go2/" + key)
		if err = errors.Join(err, differ(key, got, body)); err != nil {
			return err
		}
	}
	var listed []string
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: aws.String(bucket),
		Prefix: aws.String("go2/"), MaxKeys: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, o := range page.Contents {
			listed = append(listed, strings.TrimPrefix(*o.Key, "go2/"))
		}
	}
	want := slices.Sorted(slices.Values(keys))
	if slices.Sort(listed); !slices.Equal(listed, want) {
		return fmt.Errorf("the keys are %q", listed)
	}
	// Bodies that cannot be read twice, whose checksum follows them.
	for _, algorithm := range []types.ChecksumAlgorithm{types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc64nvme,
		types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmSha256} {
		for _, size := range []int{0, 1, 8 << 10, 3<<20 + 1} {
			body := random(size)
			if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("stream"),
				Body: stream{bytes.NewReader(body)}, ContentLength: aws.Int64(int64(size)),
				ChecksumAlgorithm: algorithm}); err != nil {
				return fmt.Errorf("%s, %d bytes: %w", algorithm, size, err)
			}
			got, err := get("stream")
			if err = errors.Join(err, differ(string(algorithm), got, body)); err != nil {
				return err
			}
		}
	}
	body := random(17 << 20)
	if _, err := manager.NewUploader(client).Upload(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket),
		Key: aws.String("managed"), Body: stream{bytes.NewReader(body)}}); err != nil {
		return err
	}
	to := manager.NewWriteAtBuffer(nil)
	if _, err := manager.NewDownloader(client).Download(ctx, to, &s3.GetObjectInput{Bucket: aws.String(bucket),
		Key: aws.String("managed")}); err != nil {
		return err
	}
	if err := differ("managed", to.Bytes(), body); err != nil {
		return err
	}
	got, err := get("managed", func(in *s3.GetObjectInput) { in.Range = aws.String("bytes=5-9"); in.ChecksumMode = "" })
	if err = errors.Join(err, differ("range", got, body[5:10])); err != nil {
		return err
	}
	// A URL that the agent signs.
	signed, err := s3.NewPresignClient(client).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket),
		Key: aws.String("go2/a dir/k+1")})
	if err != nil {
		return err
	}
	answer, err := http.Get(signed.URL)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || string(text) != "content of a dir/k+1" {
		return fmt.Errorf("the URL gives %d %s, %v", answer.StatusCode, text, err)
	}
	var missing *types.NoSuchKey
	if _, err := get("nothing"); !errors.As(err, &missing) {
		return fmt.Errorf("an object that is not there: %w", err)
	}
	return nil
}

func go1() error {
	own := session.Must(session.NewSession(&aws1.Config{Endpoint: aws1.String(os.Getenv("AWS_ENDPOINT_URL")),
		S3ForcePathStyle: aws1.Bool(true)}))
	client := s31.New(own)
	body := random(11 << 20)
	for _, key := range keys {
		if _, err := client.PutObject(&s31.PutObjectInput{Bucket: aws1.String(bucket), Key: aws1.String("go1/" + key),
			Body: bytes.NewReader(body[:99])}); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	if _, err := s3manager.NewUploader(own).Upload(&s3manager.UploadInput{Bucket: aws1.String(bucket),
		Key: aws1.String("go1 managed"), Body: stream{bytes.NewReader(body)}}); err != nil {
		return err
	}
	to := aws1.NewWriteAtBuffer(nil)
	if _, err := s3manager.NewDownloader(own).Download(to, &s31.GetObjectInput{Bucket: aws1.String(bucket),
		Key: aws1.String("go1 managed")}); err != nil {
		return err
	}
	return differ("managed", to.Bytes(), body)
}

// viaMinio sends, without TLS, chunks that are signed.
func viaMinio(ctx context.Context, secure bool) error {
	host, env := os.Getenv("MINIO_HOST"), credentials.NewStaticV4(os.Getenv("AWS_ACCESS_KEY_ID"),
		os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN"))
	for _, trailing := range []bool{false, true} {
		client, err := minio.New(host, &minio.Options{Creds: env, Secure: secure, Region: os.Getenv("AWS_REGION"),
			TrailingHeaders: trailing, BucketLookup: minio.BucketLookupPath})
		if err != nil {
			return err
		}
		for _, size := range []int{0, 1, 64 << 10, 64<<10 + 1, 7<<20 + 3, 17 << 20} {
			body := random(size)
			for _, known := range []bool{true, false} {
				length := int64(size)
				if !known {
					length = -1
				}
				if _, err := client.PutObject(ctx, bucket, "mi nio", stream{bytes.NewReader(body)}, length,
					minio.PutObjectOptions{PartSize: 5 << 20, UserMetadata: map[string]string{"a": "b"}}); err != nil {
					return fmt.Errorf("trailing %v, %d bytes, known %v: %w", trailing, size, known, err)
				}
				object, err := client.GetObject(ctx, bucket, "mi nio", minio.GetObjectOptions{})
				if err != nil {
					return err
				}
				got, err := io.ReadAll(object)
				if err = errors.Join(err, differ(fmt.Sprint(size), got, body)); err != nil {
					return err
				}
			}
		}
		if err := client.RemoveObject(ctx, bucket, "mi nio", minio.RemoveObjectOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// large puts an object of so many MiB in parts, and gets it back.
func large(ctx context.Context, mib string) error {
	n, err := strconv.ParseInt(mib, 10, 64)
	if err != nil {
		return err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := s3.NewFromConfig(cfg)
	sent, got := sha256.New(), sha256.New()
	block := random(1 << 20)
	source := io.TeeReader(&repeated{block: block, left: n << 20}, sent)
	if n <= 5<<10 { // the most that one request may have
		_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("large"),
			Body: stream{source}, ContentLength: aws.Int64(n << 20)})
	}
	if err != nil {
		return err
	}
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("large")})
	if err != nil {
		return err
	}
	defer out.Body.Close()
	if _, err := io.Copy(got, out.Body); err != nil {
		return err
	}
	return same(sent, got)
}

func same(a, b hash.Hash) error {
	if x, y := a.Sum(nil), b.Sum(nil); !bytes.Equal(x, y) {
		return fmt.Errorf("sent %x and got %x", x, y)
	}
	return nil
}

// repeated is a block, again and again, each time with another first byte.
type repeated struct {
	block []byte
	at    int
	left  int64
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if r.at == len(r.block) {
		r.at, r.block[0] = 0, r.block[0]+1
	}
	n := copy(p[:min(int64(len(p)), r.left)], r.block[r.at:])
	r.at, r.left = r.at+n, r.left-int64(n)
	return n, nil
}
