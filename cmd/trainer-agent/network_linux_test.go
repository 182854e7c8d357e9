package main_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// network is a small cluster on one machine: a network namespace a node, all on
// one bridge in a namespace of its own, where the backend and the store are
// reached too. Nothing of the machine's own network is touched.
type network struct {
	t     *testing.T
	names []string // namespaces: the bridge's, then each node's
}

const cloudAddress = "10.98.0.1"

// newNetwork needs root and iproute2; without them it fails in CI and skips
// elsewhere.
func newNetwork(t *testing.T, nodes int) *network {
	t.Helper()
	n := &network{t: t, names: []string{fmt.Sprintf("ta%d-cloud", os.Getpid())}}
	for i := range nodes {
		n.names = append(n.names, fmt.Sprintf("ta%d-n%d", os.Getpid(), i))
	}
	if out, err := exec.Command("ip", "netns", "add", n.names[0]).CombinedOutput(); err != nil {
		need.Missing(t, "network namespaces (root, apt-get install iproute2): %v %s", err, out)
	}
	t.Cleanup(func() { n.remove() })
	n.ip("-n", n.names[0], "link", "add", "br0", "type", "bridge")
	n.ip("-n", n.names[0], "addr", "add", cloudAddress+"/24", "dev", "br0")
	n.ip("-n", n.names[0], "link", "set", "br0", "up")
	for i, name := range n.names[1:] {
		n.ip("netns", "add", name)
		n.ip("-n", n.names[0], "link", "add", port(i), "type", "veth", "peer", "name", "eth0", "netns", name)
		n.ip("-n", n.names[0], "link", "set", port(i), "master", "br0", "up")
		n.ip("-n", name, "addr", "add", n.address(i)+"/24", "dev", "eth0")
		n.ip("-n", name, "link", "set", "eth0", "up")
		n.ip("-n", name, "link", "set", "lo", "up")
	}
	return n
}

func port(node int) string { return fmt.Sprintf("node%d", node) }

func (n *network) address(node int) string { return fmt.Sprintf("10.98.0.%d", 10+node) }

// unplug cuts a node off from everything.
func (n *network) unplug(node int) { n.ip("-n", n.names[0], "link", "set", port(node), "down") }

func (n *network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v %s", strings.Join(args, " "), err, out)
	}
}

func (n *network) remove() {
	for _, name := range n.names {
		_ = exec.Command("ip", "netns", "del", name).Run()
	}
}

// reach makes a server on the machine's loopback reachable in the cluster, and
// returns its address there. A socket belongs to the namespace that it was made
// in, no matter who accepts from it.
func (n *network) reach(target string) string {
	n.t.Helper()
	made := make(chan error)
	var listener net.Listener
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		ns, err := os.Open("/run/netns/" + n.names[0])
		if err == nil {
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
			_ = ns.Close()
		}
		if err == nil {
			listener, err = net.Listen("tcp", cloudAddress+":0")
		}
		made <- err
	}()
	if err := <-made; err != nil {
		n.t.Fatalf("listening in the cluster: %v", err)
	}
	n.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			go forward(in, target)
		}
	}()
	return listener.Addr().String()
}

func forward(in net.Conn, target string) {
	defer func() { _ = in.Close() }()
	out, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = out.Close() }()
	go func() {
		_, _ = io.Copy(out, in)
		_ = out.Close()
	}()
	_, _ = io.Copy(in, out)
}
