package redact

// maxUserinfo bounds what is held back while it may be the user of a URL, in bytes.
const maxUserinfo = 2048

// userinfo hides user and password of a URL: what stands between :// and the last
// @ before the host ends. They are secrets that nobody has named, in proxies' and
// databases' addresses.
type userinfo struct {
	seen   [3]byte // the last bytes
	inside bool    // between :// and the end of the host
	from   int64   // where that begins
	at     int64   // the last @ there, or from
}

func (u *userinfo) add(c byte, at int64, p *pending) {
	if u.inside {
		switch {
		case c == '@':
			u.at = at
		case endsHost(c), at-u.from >= maxUserinfo:
			u.end(p)
		}
	}
	u.seen = [3]byte{u.seen[1], u.seen[2], c}
	if u.seen == [3]byte{':', '/', '/'} {
		u.inside, u.from, u.at = true, at+1, at+1
	}
}

// endsHost tells what RFC 3986 allows in no user and no host.
func endsHost(c byte) bool {
	if c <= ' ' || c == 0x7f {
		return true
	}
	switch c {
	case '/', '?', '#', '"', '\'', '<', '>', '`', '\\', '^', '{', '|', '}':
		return true
	}
	return false
}

func (u *userinfo) hold(end int64) int64 {
	if u.inside {
		return u.from
	}
	return end
}

func (u *userinfo) end(p *pending) {
	if u.inside {
		p.hide(u.from, u.at)
	}
	u.inside = false
}
