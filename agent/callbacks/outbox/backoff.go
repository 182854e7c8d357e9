package outbox

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// backoff is the wait after failed try number attempt (from 0): full jitter, a
// uniform draw between nothing and a ceiling that doubles from BackoffMin to
// BackoffMax. r is in [0, 1). With full jitter a thousand agents that lost the
// backend at the same moment do not come back at the same moment.
func backoff(attempt int, r float64) time.Duration {
	ceiling := BackoffMax
	if attempt < 6 { // 2^6 s is above BackoffMax
		ceiling = min(BackoffMin<<max(attempt, 0), BackoffMax)
	}
	return time.Duration(r * float64(ceiling))
}

// retryAfter reads both forms of Retry-After, seconds and a date (RFC 9110,
// section 10.2.3), capped at RetryAfterMax. It is 0 for what it cannot read and
// for a time that has passed.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		if seconds > uint64(RetryAfterMax/time.Second) {
			return RetryAfterMax
		}
		return time.Duration(seconds) * time.Second
	}
	if strings.Trim(value, "0123456789") == "" {
		return RetryAfterMax // digits, more than fit
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, at.Sub(now)), RetryAfterMax)
	}
	return 0
}
