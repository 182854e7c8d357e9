package dataset

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// s3Error is the body of a refusal by an S3 server.
type s3Error struct {
	Code    string `xml:"Code"`
	Message string `xml:"Message"`
}

// refused explains an answer other than the file. What may pass is a plain
// error, which is tried again.
func (a address) refused(resp *http.Response) error {
	var said s3Error
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	_ = xml.Unmarshal(body, &said) // not every server speaks XML
	switch code := resp.StatusCode; {
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		return fmt.Errorf("the server answered %s", resp.Status)
	case code >= 300 && code < 400:
		return contract.Failf(contract.CodeWeightsUnavailable, "the weights %s lead to another address (%s, %s), which is not followed", a.name(), resp.Status, leadsTo(resp)).
			WithHint("Give the address at which the file itself is: an address with a signature is not passed on to another host.")
	case code == http.StatusNotFound:
		return contract.Failf(contract.CodeWeightsUnavailable, "there are no weights at %s (404)", a.name()).
			WithHint("Check that the file exists, and presign its address again.")
	case a.expired() > 0 || said.Message == "Request has expired":
		return contract.Failf(contract.CodeWeightsUnavailable, "the presigned address of the weights %s has expired%s", a.name(), a.since()).
			WithHint("Presign it again with a longer validity; a job may wait hours for a GPU.")
	case said.Code == "SignatureDoesNotMatch":
		return contract.Failf(contract.CodeWeightsUnavailable, "the presigned address of the weights %s is damaged: its signature does not match", a.name()).
			WithHint("Pass it on unchanged: & and %% must not be decoded or escaped on the way.")
	case code == http.StatusForbidden, code == http.StatusUnauthorized, code == http.StatusBadRequest:
		return contract.Failf(contract.CodeWeightsUnavailable, "the weights %s were refused (%s %s)", a.name(), resp.Status, said.Code).
			WithHint("Presign the address again with a key that may read the file.")
	}
	return contract.Failf(contract.CodeWeightsUnavailable, "asking for the weights %s: the server answered %s", a.name(), resp.Status)
}

// leadsTo names the host of a redirect; the rest of its address may be a secret.
func leadsTo(resp *http.Response) string {
	to, err := resp.Location()
	if err != nil {
		return "without an address"
	}
	return to.Scheme + "://" + to.Host
}

// expired is how long ago the address stopped being valid, by its own words; 0
// when it still is, or does not say.
func (a address) expired() time.Duration {
	q := a.url.Query()
	until := time.Time{}
	signed, err := time.Parse("20060102T150405Z", q.Get("X-Amz-Date"))
	seconds, secErr := strconv.ParseInt(q.Get("X-Amz-Expires"), 10, 64)
	if err == nil && secErr == nil {
		until = signed.Add(time.Duration(seconds) * time.Second)
	} else if unix, err := strconv.ParseInt(q.Get("Expires"), 10, 64); err == nil { // signature version 2
		until = time.Unix(unix, 0)
	}
	if until.IsZero() {
		return 0
	}
	return max(0, a.now().Sub(until)).Round(time.Second)
}

func (a address) since() string {
	if ago := a.expired(); ago > 0 {
		return fmt.Sprintf(" %s ago", ago)
	}
	return ""
}
