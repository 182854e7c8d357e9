package dataset

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Whatever a server answers in place of the weights, and whatever stands in the address:
// it is told in words, without the address's secret half.
func FuzzRefused(f *testing.F) {
	f.Add(403, []byte(`<Error><Code>SignatureDoesNotMatch</Code></Error>`), "X-Amz-Signature=verysecret&X-Amz-Date=20250110T000000Z&X-Amz-Expires=3600", "")
	f.Add(302, []byte(""), "Signature=verysecret&Expires=1", "https://elsewhere.test/?verysecret")
	f.Add(500, []byte("<a><b>"), "verysecret", "")
	f.Add(400, []byte("\xff\xfe<\x00"), "X-Amz-Date=99991231T235959Z&X-Amz-Expires=9223372036854775807&s=verysecret", "")
	f.Fuzz(func(t *testing.T, status int, body []byte, query, location string) {
		if status < 100 || status > 999 {
			return
		}
		u := &url.URL{Scheme: "https", Host: "bucket.test", Path: "/yolo11n.pt", RawQuery: query}
		request := &http.Request{URL: u}
		resp := &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Location": {location}}, Body: io.NopCloser(bytes.NewReader(body)), Request: request}
		err := address{u, time.Now}.refused(resp)
		failure, told := errors.AsType[*contract.Failure](err)
		if err == nil || told && failure.Code != contract.CodeWeightsUnavailable {
			t.Errorf("%v", err)
		}
		if text := err.Error(); strings.Contains(text, "verysecret") && !bytes.Contains(body, []byte("verysecret")) && !strings.Contains(hostOf(location), "verysecret") {
			t.Errorf("the secret is in %q", text)
		}
	})
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + u.Host
}

// A tag is what a bucket says it is: it comes out as it went in.
func FuzzETag(f *testing.F) {
	f.Add(`"d41d8cd98f00b204e9800998ecf8427e"`)
	f.Add(`"d41d8cd98f00b204e9800998ecf8427e-12"`)
	f.Add(`D41D8CD98F00B204E9800998ECF8427E-0`)
	f.Add(`""`)
	f.Add(`"00000000000000000000000000000000"`)
	f.Add(`"d41d8cd98f00b204e9800998ecf8427e-99999999999"`)
	f.Fuzz(func(t *testing.T, tag string) {
		if got := parseETag(tag).String(); got != tag {
			t.Errorf("%q became %q", tag, got)
		}
	})
}
