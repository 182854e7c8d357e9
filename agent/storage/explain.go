package storage

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/vision-platform/trainer-agent/agent/internal/download"
	"github.com/vision-platform/trainer-agent/contract"
)

// skewLimit is how far a clock may be off before S3 refuses its signatures.
const skewLimit = 15 * time.Minute

// explainHead finds out why a HEAD failed. Its answer has no body and so no
// error code; a GET of one byte has.
func (s *s3Store) explainHead(ctx context.Context, key string, err error) error {
	if status(err) == 0 || status(err) >= 500 || ctx.Err() != nil {
		return s.explain(ctx, "asking for", key, err)
	}
	one := "bytes=0-0"
	out, getErr := s.api.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.cfg.Bucket, Key: &key, Range: &one})
	if getErr == nil {
		_ = out.Body.Close()
		return s.explain(ctx, "asking for", key, err)
	}
	return s.explain(ctx, "asking for", key, getErr)
}

// place is where a bucket is. It knows why a call to it failed.
type place struct {
	cfg    Config
	region string
}

// URI is the address of a key.
func (s place) URI(key string) string { return contract.URI(s.cfg.Bucket, key) }

// explain turns what the SDK returned into a contract.Failure with a sentence of
// its own for every cause. It returns nil for nil.
func (s place) explain(ctx context.Context, doing, key string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if f, ok := errors.AsType[*contract.Failure](err); ok {
		return f
	}
	if f := s.explainOurs(doing, key, err); f != nil {
		return f
	}
	if f := s.explainNetwork(err); f != nil {
		return f
	}
	if f := s.explainAnswer(doing, key, err); f != nil {
		return f
	}
	return contract.Failf(contract.CodeStorageError, "%s %s failed: %w", doing, s.URI(key), shorten(err))
}

func (s place) explainOurs(doing, key string, err error) *contract.Failure {
	switch {
	case errors.Is(err, contract.ErrNoRanges):
		return contract.Failf(contract.CodeStorageError, "%s %s: %w", doing, s.URI(key), contract.ErrNoRanges)
	case errors.Is(err, contract.ErrObjectChanged) && doing == "reading":
		return download.Changed(s.URI(key))
	case errors.Is(err, contract.ErrObjectChanged):
		return contract.Failf(contract.CodeStorageError, "%s %s: %w", doing, s.URI(key), contract.ErrObjectChanged).
			WithHint("Do not overwrite it while jobs read it; run the job again.")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return contract.Failf(contract.CodeStorageError, "%s ends connections to %s before the object is complete: %w", s.where(), s.URI(key), err).
			WithHint("Look at the store's and its proxies' logs, then run the job again.")
	}
	return nil
}

// where names the store in sentences.
func (s place) where() string {
	if s.cfg.Endpoint == "" {
		return "AWS S3 in " + s.region
	}
	return s.cfg.Endpoint
}

func (s place) explainNetwork(err error) *contract.Failure {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return contract.Failf(contract.CodeStorageError, "the name %q of the object store cannot be resolved: %w", dns.Name, shorten(err)).
			WithHint("Check S3_ENDPOINT for a typing error, and the DNS of this machine.")
	}
	if f := s.explainTLS(err); f != nil {
		return f
	}
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return contract.Failf(contract.CodeStorageError, "nothing listens at %s (connection refused)", s.where()).
			WithHint("Start the store, or correct host and port in S3_ENDPOINT.")
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return contract.Failf(contract.CodeStorageError, "there is no route to %s: %w", s.where(), shorten(err)).
			WithHint("Check the network policy, the VPN and the proxy settings.")
	case errors.As(err, &timeout) && timeout.Timeout():
		return contract.Failf(contract.CodeStorageError, "%s did not answer in time: %w", s.where(), shorten(err)).
			WithHint("Check the network between here and the store, firewalls first.")
	}
	return nil
}

func (s place) explainTLS(err error) *contract.Failure {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		verify  *tls.CertificateVerificationError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return contract.Failf(contract.CodeStorageError, "%s does not speak TLS on this port", s.where()).
			WithHint("Use http:// in S3_ENDPOINT, or the port that serves https.")
	case errors.As(err, &unknown):
		return contract.Failf(contract.CodeStorageError, "the certificate of %s is signed by an unknown authority", s.where()).
			WithHint("Mount the authority's certificate and name it in AGENT_CA_FILE.")
	case errors.As(err, &host):
		return contract.Failf(contract.CodeStorageError, "the certificate of %s is for another name: %w", s.where(), host).
			WithHint("Use the name in the certificate as S3_ENDPOINT.")
	case errors.As(err, &invalid), errors.As(err, &verify):
		return contract.Failf(contract.CodeStorageError, "the certificate of %s is not valid: %w", s.where(), shorten(err)).
			WithHint("Renew it, and check the clock of this machine.")
	}
	return nil
}

// explainAnswer reads an answer that the server did give.
func (s place) explainAnswer(doing, key string, err error) *contract.Failure {
	code := apiCode(err)
	if f := s.explainSkew(code, err); f != nil {
		return f
	}
	switch code {
	case "NoSuchBucket":
		return contract.Failf(contract.CodeConfigInvalid, "the bucket %q does not exist at %s", s.cfg.Bucket, s.where()).
			WithHint("Create it, or correct BUCKET_NAME.")
	case "InvalidBucketName":
		return contract.Failf(contract.CodeConfigInvalid, "%q is not a bucket's name", s.cfg.Bucket).WithHint("Correct BUCKET_NAME.")
	case "InvalidAccessKeyId":
		return contract.Failf(contract.CodeStorageForbidden, "%s does not know the access key id", s.where()).
			WithHint("Check AWS_ACCESS_KEY_ID: does it belong to this store, and was it revoked?")
	case "SignatureDoesNotMatch":
		return contract.Failf(contract.CodeStorageForbidden, "the secret key does not fit the access key id (%s refused the signature)", s.where()).
			WithHint("Check AWS_SECRET_ACCESS_KEY, spaces and line breaks included.")
	case "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
		return contract.Failf(contract.CodeStorageForbidden, "the session token of the storage credentials is expired or invalid").
			WithHint("Issue new temporary credentials; AWS_SESSION_TOKEN must come from the same set as the keys.")
	case "XAmzContentSHA256Mismatch", "BadDigest":
		return contract.Failf(contract.CodeStorageError, "the bytes that reached %s are not those that were read: the file changed, or the network damaged it", s.URI(key))
	}
	return s.explainStatus(doing, key, code, err)
}

func (s place) explainStatus(doing, key, code string, err error) *contract.Failure {
	if region := s.otherRegion(code, err); region != "" {
		return contract.Failf(contract.CodeConfigInvalid, "the bucket %q is in region %s, but the agent asked in %s", s.cfg.Bucket, region, s.region).
			WithHint("Set AWS_REGION=%s.", region)
	}
	switch status(err) {
	case http.StatusNotFound:
		return contract.Failf(contract.CodeStorageError, "%s does not exist: %w", s.URI(key), fs.ErrNotExist)
	case http.StatusPreconditionFailed:
		return s.explainOurs(doing, key, contract.ErrObjectChanged)
	case http.StatusForbidden, http.StatusUnauthorized:
		return contract.Failf(contract.CodeStorageForbidden, "the storage credentials may not do this: %s %s was refused (%s)", doing, s.URI(key), orStatus(code, err)).
			WithHint("Grant the key read, write and list on the bucket; a key without list sees a refusal where an object is missing.")
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return contract.Failf(contract.CodeStorageError, "%s is overloaded or down (%s)", s.where(), orStatus(code, err)).
			WithHint("Run the job again later, or set AGENT_DOWNLOAD_BANDWIDTH.")
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return contract.Failf(contract.CodeConfigInvalid, "%s answers with a redirect (%s), which is not followed: requests are signed for one host", s.where(), orStatus(code, err)).
			WithHint("Set S3_ENDPOINT to the address of the store itself, with https:// if that is what it wants.")
	case http.StatusProxyAuthRequired:
		return contract.Failf(contract.CodeStorageError, "the proxy between here and %s wants a login", s.where()).
			WithHint("Put user and password into HTTPS_PROXY, or the store's host into NO_PROXY.")
	}
	return nil
}

// explainSkew tells a clock that is off from a wrong key: both are a 403. The
// server's Date header is the measure.
func (s place) explainSkew(code string, err error) *contract.Failure {
	st := status(err)
	if code != "RequestTimeTooSkewed" && st != http.StatusForbidden && st != http.StatusBadRequest {
		return nil
	}
	off := time.Duration(0)
	resp, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if ok && resp.Response != nil {
		if date, err := http.ParseTime(resp.Response.Header.Get("Date")); err == nil {
			off = s.cfg.Now().Sub(date).Round(time.Second)
		}
	}
	if code != "RequestTimeTooSkewed" && off.Abs() < skewLimit {
		return nil
	}
	side := "ahead of"
	if off < 0 {
		side = "behind"
	}
	return contract.Failf(contract.CodeStorageError, "the clock of this machine is %s %s that of %s, which refuses requests more than 15 minutes off", off.Abs(), side, s.where()).
		WithHint("Synchronise the node's clock (NTP, chrony).")
}

var expectingRegion = regexp.MustCompile(`expecting ['"]([a-z0-9-]+)['"]`)

func (s place) otherRegion(code string, err error) string {
	if resp, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && resp.Response != nil {
		region := resp.Response.Header.Get("X-Amz-Bucket-Region")
		if region != "" && region != s.region && (resp.HTTPStatusCode() == http.StatusMovedPermanently || resp.HTTPStatusCode() == http.StatusBadRequest) {
			return region
		}
	}
	if m := expectingRegion.FindStringSubmatch(err.Error()); m != nil && code == "AuthorizationHeaderMalformed" {
		return m[1]
	}
	return ""
}

func apiCode(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

func status(err error) int {
	if resp, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && resp.Response != nil {
		return resp.HTTPStatusCode()
	}
	return 0
}

func orStatus(code string, err error) string {
	if code != "" && code != "UnknownError" {
		return code
	}
	return http.StatusText(status(err))
}

// short keeps an error's chain and drops the SDK's prefixes and request ids.
type short struct{ error }

func (e short) Unwrap() error { return e.error }

func (e short) Error() string {
	text := e.error.Error()
	if api, ok := errors.AsType[smithy.APIError](e.error); ok {
		return strings.TrimSuffix(api.ErrorCode()+": "+api.ErrorMessage(), ": ")
	}
	if i := strings.LastIndex(text, "https response error"); i >= 0 {
		text = text[i:]
	}
	if op, ok := errors.AsType[*net.OpError](e.error); ok {
		return op.Error()
	}
	return text
}

func shorten(err error) error { return short{err} }
