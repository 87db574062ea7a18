package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/rolebroker/rolebroker/api"
)

const reverseProxy = "httputil.ReverseProxy"

// A request and an answer of the size that GetItem of DynamoDB has for a small item.
const (
	askedItem = `{"TableName":"orders","Key":{"id":{"S":"o-2026-03-14-0001"}},"ConsistentRead":false}`
	foundItem = `{"Item":{"id":{"S":"o-2026-03-14-0001"},"customer":{"S":"c-4711"},"total":{"N":"129.90"},` +
		`"currency":{"S":"EUR"},"state":{"S":"shipped"},"lines":{"L":[{"M":{"sku":{"S":"A-1"},"count":{"N":"2"}}},` +
		`{"M":{"sku":{"S":"B-7"},"count":{"N":"1"}}}]},"updated":{"S":"2026-03-14T09:26:53Z"}}}`
)

// gate is a world whose agent has its keys withheld: it asks an upstream through
// the gateway, or through a proxy that signs nothing.
type gate struct {
	*world
	upstream, proxy *childProcess
	gateway         *childProcess // the server, at the address of its gateway
	keys            aws.Credentials
}

// newGate starts the servers. The upstream answers everything, without looking at
// the signature. object is the size of what it answers to GET.
func newGate(ctx context.Context, l *lab, profile string, object int64) (g *gate, err error) {
	g = &gate{}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if g.upstream, err = startChild(orders{Answer: []byte(foundItem), Object: object}); err != nil {
		return g, err
	}
	if g.proxy, err = startChild(orders{Proxy: g.upstream.URL}); err != nil {
		return g, err
	}
	g.world, err = newWorld(ctx, l, profile, "AWS_ENDPOINT_URL_DYNAMODB="+g.upstream.URL,
		"AWS_ENDPOINT_URL_S3="+g.upstream.URL)
	if err != nil {
		return g, err
	}
	at := *g.server
	at.URL = at.Gateway
	g.gateway = &at
	token, err := newAgent(ctx, g.admin, "gate")
	if err != nil {
		return g, err
	}
	if _, err := g.admin.Limit(ctx, "gate", integration, api.LimitsRequest{Keys: "withheld"}, ""); err != nil {
		return g, err
	}
	g.keys, err = keysOf(ctx, g.server.URL, token)
	return g, err
}

// keysOf returns the keys that an agent signs with.
func keysOf(ctx context.Context, url, token string) (aws.Credentials, error) {
	body, _, err := askOnce(ctx, url, askFor(token))
	if err != nil {
		return aws.Credentials{}, err
	}
	var lent api.Credentials
	err = json.Unmarshal(body, &lent)
	return aws.Credentials{AccessKeyID: lent.AccessKeyID, SecretAccessKey: string(lent.SecretAccessKey),
		SessionToken: string(lent.Token)}, err
}

// close may be called on an incomplete gate.
func (g *gate) close() {
	for _, c := range []*childProcess{g.upstream, g.proxy} {
		if c != nil {
			c.stop()
		}
	}
	if g.world != nil {
		g.world.close()
	}
}

// sign signs a request as an SDK does.
func (g *gate) sign(ctx context.Context, r *http.Request, hash, service string) error {
	return v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" }).
		SignHTTP(ctx, g.keys, r, hash, service, "us-east-1", time.Now())
}

// getItem returns a signed request as it is sent. A signature is good for minutes,
// longer than a run of its row.
func (g *gate) getItem(ctx context.Context) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1/", bytes.NewReader([]byte(askedItem)))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.GetItem")
	r.Header.Set("User-Agent", "bench")
	hash := sha256.Sum256([]byte(askedItem))
	if err := g.sign(ctx, r, hex.EncodeToString(hash[:]), "dynamodb"); err != nil {
		return nil, err
	}
	var sent bytes.Buffer
	err = r.Write(&sent)
	return sent.Bytes(), err
}

// measureCalls has an agent send signed calls through the gateway as fast as the
// answers come, in turns with a proxy to the same upstream. Then it does so over one
// connection, in turns with the upstream itself.
func measureCalls(ctx context.Context, l *lab) ([]figure, error) {
	profiles, err := l.profileFiles("gateway")
	if err != nil {
		return nil, err
	}
	g, err := newGate(ctx, l, profiles[0], 0)
	if err != nil {
		return nil, err
	}
	defer g.close()
	request, err := g.getItem(ctx)
	if err != nil {
		return nil, err
	}
	for _, side := range []*childProcess{g.gateway, g.proxy} {
		if _, _, err := askOnce(ctx, side.URL, request); err != nil {
			return nil, err
		}
	}
	ours, theirs, err := l.alternate(ctx, l.connections, g.gateway, g.proxy, request, []byte(foundItem))
	if err != nil {
		return nil, err
	}
	through, direct, err := l.alternate(ctx, 1, g.gateway, g.upstream, request, []byte(foundItem))
	if err != nil {
		return nil, err
	}
	return l.callFigures(ours, theirs, through, direct), nil
}

func (l *lab) callFigures(ours, theirs, through, direct []turn) []figure {
	compare := func(what, unit string, value func(turn) float64) figure {
		return paired(what, unit, each(ours, value), reverseProxy, each(theirs, value))
	}
	added := make([]float64, len(through))
	for i := range through {
		added[i] = slowest(0.5)(through[i]) - slowest(0.5)(direct[i])
	}
	figures := []figure{
		compare(fmt.Sprintf("signed calls over %d connections", l.connections), "/s", turn.perSecond).atLeast(0.6),
		compare("p99", "ms", slowest(0.99)).atMost(2),
		compare("p50", "ms", slowest(0.5)),
		single("added to a call, over one connection, p50", median(added), "ms").noMoreThan(0.5),
	}
	if usageIsKnown {
		figures = append(figures, compare("CPU per call", "µs", turn.cpuEach))
	}
	bad := func(t turn) int { return t.bad }
	return append(figures, single("answers other than 200", sum(ours, bad)+sum(through, bad), "").noMoreThan(0))
}

// measureObjects reads and writes an object of S3 through the gateway, in turns with
// a proxy to the same upstream.
func measureObjects(ctx context.Context, l *lab) ([]figure, error) {
	profiles, err := l.profileFiles("objects")
	if err != nil {
		return nil, err
	}
	g, err := newGate(ctx, l, profiles[0], l.object)
	if err != nil {
		return nil, err
	}
	defer g.close()
	sides := [2]*childProcess{g.gateway, g.proxy}
	for _, side := range sides { // opens the connections
		if _, err := g.transfer(ctx, side.URL, http.MethodPut, 1); err != nil {
			return nil, err
		}
	}
	var figures []figure
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		var rates, grown [2][]float64
		for n := range 2 * l.transfers {
			side := (n + n/2) % 2 // 0 1 1 0 0 1 1 0 …
			rate, growth, err := g.watched(ctx, sides[side], method, l.object)
			if err != nil {
				return nil, err
			}
			rates[side], grown[side] = append(rates[side], rate), append(grown[side], growth)
		}
		what := map[string]string{http.MethodGet: "GetObject", http.MethodPut: "PutObject"}[method]
		size := number(float64(l.object>>20)) + " MiB"
		figures = append(figures, paired(what+" of "+size, "MiB/s", rates[0], reverseProxy, rates[1]).atLeast(0.9))
		memory := notHere(what+": resident memory, more than the proxy takes", "≤ 16 MiB")
		if usageIsKnown {
			memory = single(memory.What, median(grown[0])-median(grown[1]), "MiB").noMoreThan(16)
		}
		figures = append(figures, memory)
	}
	return figures, nil
}

// watched transfers an object, and returns the MiB per second and by how many MiB
// the resident memory of the server grew meanwhile, at most.
func (g *gate) watched(ctx context.Context, side *childProcess, method string, size int64) (
	rate, grown float64, err error) {
	if !usageIsKnown {
		rate, err = g.transfer(ctx, side.URL, method, size)
		return rate, 0, err
	}
	before, err := residentMemory(side.cmd.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	stop, most := make(chan struct{}), make(chan int64)
	go func() {
		highest := before
		for {
			select {
			case <-stop:
				most <- highest
				return
			case <-time.After(5 * time.Millisecond):
				now, _ := residentMemory(side.cmd.Process.Pid) // it was readable before
				highest = max(highest, now)
			}
		}
	}()
	rate, err = g.transfer(ctx, side.URL, method, size)
	close(stop)
	return rate, float64(<-most-before) / (1 << 20), err
}

// streaming is a client that reads and writes in pieces of 64 KiB.
var streaming = &http.Client{Transport: &http.Transport{DisableCompression: true, WriteBufferSize: 64 << 10,
	ReadBufferSize: 64 << 10}}

// transfer reads or writes an object and returns the MiB per second.
func (g *gate) transfer(ctx context.Context, url, method string, size int64) (rate float64, err error) {
	var body io.Reader
	if method == http.MethodPut {
		body = io.LimitReader(zeros{}, size)
	}
	r, err := http.NewRequestWithContext(ctx, method, url+"/bench/object", body)
	if err != nil {
		return 0, err
	}
	if body != nil {
		r.ContentLength = size
	}
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	if err := g.sign(ctx, r, "UNSIGNED-PAYLOAD", "s3"); err != nil {
		return 0, err
	}
	start := time.Now()
	answer, err := streaming.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	read, err := io.Copy(io.Discard, answer.Body)
	switch {
	case err != nil:
		return 0, err
	case answer.StatusCode != http.StatusOK:
		return 0, errors.New("transferring an object: the answer is " + answer.Status)
	case method == http.MethodGet && read != size:
		return 0, fmt.Errorf("transferring an object: %d bytes came of %d", read, size)
	}
	return float64(size) / (1 << 20) / time.Since(start).Seconds(), nil
}

// zeros is a reader of zeros without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
