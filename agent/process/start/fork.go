package start

import (
	"syscall"

	"github.com/vision-platform/trainer-agent/agent/process/cgroup"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// Fork starts the program on a thread that lives as long as the child. The
// thread is given the settings that a child can only inherit (no_new_privs,
// niceness), is then the child's parent for PR_SET_PDEATHSIG, which fires when the
// forking *thread* ends, and is thrown away afterwards because those settings
// cannot be undone. It returns at once; the thread ends when reaped is closed.
func Fork(path string, spec Spec, files *Files, group *cgroup.Group, reaped <-chan struct{}) (int, error) {
	type result struct {
		pid int
		err error
	}
	forked := make(chan result)
	crew.Go(func() {
		onOwnThread(func() {
			var r result
			r.err = crew.Try(func() (err error) {
				if err = prepareThread(spec); err == nil {
					r.pid, err = forkExec(group, path, spec, files)
				}
				return err
			})
			forked <- r
			if r.err == nil {
				<-reaped
			}
		})
	})
	r := <-forked
	return r.pid, r.err
}

// forkExec is syscall.ForkExec: os.StartProcess would want to wait itself, and
// probes for pidfd support with a child that our reaper could take.
func forkExec(group *cgroup.Group, path string, spec Spec, files *Files) (int, error) {
	sys := sysProcAttr(spec)
	attr := &syscall.ProcAttr{Dir: spec.Dir, Env: spec.Env, Files: files.fds(), Sys: sys}
	if attr.Env == nil {
		attr.Env = []string{}
	}
	if group.Use(sys) {
		// clone3 is refused by old kernels and by seccomp filters; the group is a
		// means, not an end.
		if pid, err := syscall.ForkExec(path, spec.Args, attr); err == nil {
			return pid, nil
		}
		group.Unuse(sys)
	}
	return syscall.ForkExec(path, spec.Args, attr)
}

// Settle gives a program that has started what it cannot inherit.
func Settle(pid int, spec Spec) {
	leaveRoom(pid)
	if spec.OOMScoreAdj > 0 {
		raiseOOMScore(pid, spec.OOMScoreAdj)
	}
}
