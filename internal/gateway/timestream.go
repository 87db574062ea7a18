package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/sigv4"
)

// Timestream has several cells in a region. An account belongs to one, whose host the operation DescribeEndpoints
// tells, and every other operation has to be sent there. SDKs ask by themselves. One that came to an address of ours
// gets that address as the answer, so that it stays, and the gateway sends its requests to the cell.
//
// Source: Amazon Timestream Developer Guide, "The endpoint discovery pattern".

// cells are the cells that are known.
type cells struct {
	mu sync.Mutex
	of map[cellKey]cell
}

// cellKey is whose cell, of which service and where.
type cellKey struct {
	account, service string
	region           rolebroker.Region
}

type cell struct {
	host  string
	until time.Time
}

func (c *cells) find(key cellKey, now time.Time) (host string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.of[key]
	return found.host, ok && now.Before(found.until)
}

// note remembers a cell; the zero cell forgets it.
func (c *cells) note(key cellKey, found cell) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[cellKey]cell{}
	}
	if delete(c.of, key); found.host != "" {
		c.of[key] = found
	}
}

// discoveries are the answer of DescribeEndpoints.
type discoveries struct {
	Endpoints []struct {
		Address              string
		CachePeriodInMinutes int64
	}
}

const describeEndpoints = "DescribeEndpoints"

// maxDiscovery bounds the answer of DescribeEndpoints.
const maxDiscovery = 64 << 10

// isTimestream reports whether the call is for Timestream and came to an address of ours.
func (c *call) isTimestream() bool { return c.signature.Service == "timestream" && c.host == "" }

func (c *call) cellKey() cellKey {
	return cellKey{c.about.ARN.Account, c.service.Name, c.region}
}

// findCell has the call go to the cell of the account, and asks for it if it is not known.
func (c *call) findCell(by rolebroker.Credentials) error {
	if !c.isTimestream() || c.asks.Operation == describeEndpoints || c.gateway.Endpoint(c.service) != "" {
		return nil
	}
	host, ok := c.gateway.cells.find(c.cellKey(), c.gateway.Now())
	if !ok {
		found, err := c.askForCell(by)
		if err != nil {
			return err
		}
		c.gateway.cells.note(c.cellKey(), found)
		host = found.host
	}
	c.upstream.Host = host
	return nil
}

// cellTimeout bounds the question for a cell.
const cellTimeout = 10 * time.Second

// askForCell asks AWS for the cell of the account, with the role's credentials.
func (c *call) askForCell(by rolebroker.Credentials) (found cell, _ error) {
	ctx, cancel := context.WithTimeout(c.r.Context(), cellTimeout)
	defer cancel()
	ask, err := http.NewRequestWithContext(ctx, http.MethodPost, c.upstream.String()+"/", strings.NewReader("{}"))
	if err != nil {
		return found, err
	}
	ask.Header.Set("Content-Type", "application/x-amz-json-1.0")
	ask.Header.Set("X-Amz-Target", "Timestream_20181101."+describeEndpoints)
	with := aws.Credentials{AccessKeyID: by.AccessKeyID, SecretAccessKey: by.SecretAccessKey.Reveal(),
		SessionToken: by.SessionToken.Reveal()}
	err = signer.SignHTTP(ctx, with, ask, sigv4.Hash([]byte("{}")), c.signature.Service, string(c.region),
		c.gateway.Now())
	if err != nil {
		return found, err
	}
	answer, err := c.gateway.Transport.RoundTrip(ask)
	if err != nil {
		return found, unreachable(err)
	}
	defer answer.Body.Close()
	said, err := readDiscoveries(answer)
	if err != nil {
		return found, err
	}
	first := said.Endpoints[0]
	if !c.service.Owns(first.Address, c.region) {
		return found, unsupported("Timestream leads to " + rolebroker.Quote(first.Address) +
			", which is not one of its hosts in " + string(c.region))
	}
	minutes := min(max(first.CachePeriodInMinutes, 1), 24*60)
	return cell{first.Address, c.gateway.Now().Add(time.Duration(minutes) * time.Minute)}, nil
}

// readDiscoveries reads an answer with at least one endpoint.
func readDiscoveries(answer *http.Response) (said discoveries, _ error) {
	if answer.StatusCode != http.StatusOK {
		return said, unsupported("the gateway asks Timestream for the host of the account, and AWS answers with " +
			"status " + strconv.Itoa(answer.StatusCode) + "; hint: the role and its session policy have to allow " +
			"timestream:" + describeEndpoints)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxDiscovery))
	if err != nil {
		return said, unreachable(err)
	}
	if err := json.Unmarshal(text, &said); err != nil || len(said.Endpoints) == 0 {
		return said, unsupported("the answer of Timestream to " + describeEndpoints + " has no address")
	}
	return said, nil
}

// keepHere replaces the addresses in the answer of DescribeEndpoints by the one that the call came to. After an answer
// that says that the cell is another one, the next call asks again.
func (c *call) keepHere(answer *http.Response) error {
	switch {
	case !c.isTimestream():
		return nil
	case answer.StatusCode == http.StatusMisdirectedRequest:
		c.gateway.cells.note(c.cellKey(), cell{})
		return nil
	case c.asks.Operation != describeEndpoints || answer.StatusCode != http.StatusOK:
		return nil
	}
	said, err := readDiscoveries(answer)
	if err != nil {
		return err
	}
	for i := range said.Endpoints {
		said.Endpoints[i].Address = c.r.Host + basePath + c.service.Name
	}
	text, err := json.Marshal(said)
	if err != nil {
		return err
	}
	answer.Body.Close()
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	answer.Header.Set("Content-Length", strconv.Itoa(len(text)))
	answer.Header.Del("X-Amz-Crc32") // of the other body
	return nil
}
