package contract

import "errors"

// Sentinels that a store's errors wrap, beside fs.ErrNotExist for an object that
// is not there.
var (
	// ErrObjectChanged: the object no longer has the pinned ETag (HTTP 412).
	ErrObjectChanged = errors.New("the object changed while it was read")
	// ErrNoRanges: the server answered a ranged read with the whole object.
	ErrNoRanges = errors.New("the server does not serve ranges")
)
