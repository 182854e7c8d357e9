package storage

import (
	"crypto/tls"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
)

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = 2 * time.Minute

// newRetryer is the SDK's standard retryer with three changes: Retry-After is
// honoured, 408 and 429 are retried, and there is no retry quota, which would
// end a whole download because many of its requests met the same hiccup.
func newRetryer(cfg Config, again func(error)) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = cfg.MaxAttempts
		o.MaxBackoff = cfg.MaxBackoff
		o.RateLimiter = ratelimit.None
		o.Retryables = slices.Concat([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(hopeless)}, o.Retryables,
			[]retry.IsErrorRetryable{retry.RetryableHTTPStatusCode{
				Codes: map[int]struct{}{http.StatusRequestTimeout: {}, http.StatusTooManyRequests: {}},
			}})
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, err error) (time.Duration, error) {
			cfg.Counts.Retries.Add(1)
			again(err)
			if d, ok := retryAfter(err, cfg.Now()); ok {
				return d, nil
			}
			return cfg.waits().Delay(attempt), nil
		})
	})
}

// hopeless ends the tries where the next one meets the same: a certificate, or a file
// that is not what it was.
func hopeless(err error) aws.Ternary {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok || errors.Is(err, http.ErrSchemeMismatch) || errors.Is(err, errCut) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// waits is the backoff between two tries of a request.
func (c Config) waits() backoff.Policy { return backoff.Policy{Min: time.Second, Max: c.MaxBackoff} }

// retryAfter reads what an answer asks for.
func retryAfter(err error, now time.Time) (time.Duration, bool) {
	resp, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || resp.Response == nil {
		return 0, false
	}
	return backoff.RetryAfter(resp.Response.Header, now, maxRetryAfter)
}
