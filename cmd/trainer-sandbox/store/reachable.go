package store

import "net"

// Reachable turns the address of a listener into one that can be opened: a server
// bound to every address (0.0.0.0, [::]) is at the machine's own first one, for
// other machines and for this one, or at loopback where it has no other.
func Reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return addr
	}
	own := "127.0.0.1"
	if addrs, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
				own = n.IP.String()
				break
			}
		}
	}
	return net.JoinHostPort(own, port)
}
