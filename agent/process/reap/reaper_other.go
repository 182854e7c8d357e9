//go:build !linux

package reap

// Become: only Linux hands orphans to an ancestor of choice. Elsewhere the
// system's own init reaps them.
func Become(int) (restore func(), err error) { return func() {}, nil }

// Hide: other systems let nobody look who is not asked for a password.
func Hide() error { return nil }

// Withhold: only Linux is where untrusted trainings run.
func Withhold() error { return nil }
