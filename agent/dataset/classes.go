package dataset

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/agent/internal/regular"
	"github.com/vision-platform/trainer-agent/contract"
)

// ClassList leaves the classes of a training where its test runs, inference jobs and
// exports find the platform's ids of them.
type ClassList struct {
	From  *Conversion
	JobID string
	Keep  func(ctx context.Context, key string, body []byte) (uri string, err error)
}

const maxClasses = 256 << 20 // bytes

// Start writes it. It does not keep the training long from its start.
func (c *ClassList) Start(ctx context.Context) error {
	if c.From.Got == nil {
		return nil
	}
	body, err := regular.Read(filepath.Join(c.From.Got.Dir, "classes.json"), maxClasses)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, regular.ErrNot) {
		return nil // a dataset as it lies
	}
	if err != nil {
		return err
	}
	_, err = c.Keep(ctx, contract.ClassesKey(c.JobID), body)
	return err
}

// Stop leaves it.
func (*ClassList) Stop(context.Context) error { return nil }
