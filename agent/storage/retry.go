package storage

import (
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = 2 * time.Minute

// newRetryer is the SDK's standard retryer with three changes: Retry-After is
// honoured, 408 and 429 are retried, and there is no retry quota, which would
// end a whole download because many of its requests met the same hiccup.
func newRetryer(cfg Config) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = cfg.MaxAttempts
		o.MaxBackoff = cfg.MaxBackoff
		o.RateLimiter = ratelimit.None
		o.Retryables = slices.Concat([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(notTrusted)}, o.Retryables,
			[]retry.IsErrorRetryable{retry.RetryableHTTPStatusCode{
				Codes: map[int]struct{}{http.StatusRequestTimeout: {}, http.StatusTooManyRequests: {}},
			}})
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, err error) (time.Duration, error) {
			cfg.OnRetry()
			if d, ok := retryAfter(err, cfg.Now()); ok {
				return d, nil
			}
			return backoff(attempt, cfg.MaxBackoff), nil
		})
	})
}

// notTrusted ends the tries at a certificate: it will be the same one next time.
func notTrusted(err error) aws.Ternary {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// backoff is exponential from one second with jitter in the upper half, so that
// many agents do not come back together and none comes back at once.
func backoff(attempt int, limit time.Duration) time.Duration {
	d := min(limit, time.Second<<min(attempt, 16))
	return d/2 + rand.N(d/2+1)
}

// retryAfter reads both forms of the header: seconds and a date.
func retryAfter(err error, now time.Time) (time.Duration, bool) {
	resp, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || resp.Response == nil {
		return 0, false
	}
	value := resp.Response.Header.Get("Retry-After")
	if value == "" {
		return 0, false
	}
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter), true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(0, at.Sub(now)), maxRetryAfter), true
}
