package execenv

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// A client that waits for 100 Continue gets a refusal at once: it sends no body before it has an answer.
func TestAnUploadIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	refuses := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	var l lender
	l.keys.note(rolebroker.Request{}, &rolebroker.Loan{Keys: rolebroker.KeysWithheld, Credentials: rolebroker.Credentials{
		AccessKeyID: "RBGWAAAAAAAAAAAAAAAA", SessionToken: rolebroker.NewSecret("rbg1.known"),
		Expires: time.Now().Add(time.Hour)}})
	room := httptest.NewServer(l.gatewayOf(Options{Gateway: refuses}))
	defer room.Close()
	for _, length := range []string{"Content-Length: 6", "Transfer-Encoding: chunked"} {
		conn, err := net.Dial("tcp", room.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(conn, "PUT /key HTTP/1.1\r\nHost: bucket\r\nExpect: 100-continue\r\n%s\r\n"+
			"X-Amz-Date: 20260314T000000Z\r\nX-Amz-Security-Token: rbg1.known\r\n"+
			"Authorization: AWS4-HMAC-SHA256 Credential=RBGWAAAAAAAAAAAAAAAA/20260314/us-east-1/s3/aws4_request, "+
			"SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=%064d\r\n\r\n", length, 0)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s: the room says %+v, %v", length, answer, err)
		}
	}
}
