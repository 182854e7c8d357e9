package ziptree

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"strings"

	"github.com/klauspost/compress/flate"
)

// member is one file of a handmade archive. Its lies are told on purpose.
type member struct {
	name       string
	body       string
	deflate    bool
	flags      uint16
	method     uint16 // replaces store or deflate when not 0
	attributes uint32 // external; the upper half is the Unix mode
	host       byte
	extra      []byte // of the directory
	descriptor bool   // sizes behind the data, as streaming writers do

	size    *uint32                 // declared unpacked size
	crc     *uint32                 // declared checksum
	offset  *uint32                 // declared place
	local   func([]byte)            // edits the local header
	central func([]byte)            // edits the directory header
	packed  func(raw []byte) []byte // edits the packed data
}

// archive is a handmade zip.
type archive struct {
	prefix  string
	members []member
	gap     string // between the last file and the directory
	comment string
	trailer string
	order   []int // of the directory; nil = as they lie
	zip64   bool
	count   *uint16
}

func le(parts ...any) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		_ = binary.Write(&b, binary.LittleEndian, p)
	}
	return b.Bytes()
}

func squeeze(s string) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 6)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.Bytes()
}

func (m member) data() (packed []byte, size, crc uint32) {
	packed = []byte(m.body)
	if m.deflate {
		packed = squeeze(m.body)
	}
	if m.packed != nil {
		packed = m.packed(packed)
	}
	size, crc = uint32(len(m.body)), crc32.ChecksumIEEE([]byte(m.body))
	if m.size != nil {
		size = *m.size
	}
	if m.crc != nil {
		crc = *m.crc
	}
	return packed, size, crc
}

func (m member) methodID() uint16 {
	if m.method != 0 {
		return m.method
	}
	if m.deflate {
		return methodDeflate
	}
	return methodStore
}

func (a archive) bytes() []byte {
	var out bytes.Buffer
	out.WriteString(a.prefix)
	headers := make([][]byte, len(a.members))
	for i, m := range a.members {
		packed, size, crc := m.data()
		offset := uint32(out.Len() - len(a.prefix))
		if m.offset != nil {
			offset = *m.offset
		}
		flags := m.flags
		inFront := [3]uint32{crc, uint32(len(packed)), size}
		if m.descriptor {
			flags |= 8
			inFront = [3]uint32{}
		}
		local := le(uint32(0x04034b50), uint16(20), flags, m.methodID(), uint32(0), inFront, uint16(len(m.name)), uint16(0))
		local = append(local, m.name...)
		if m.local != nil {
			m.local(local)
		}
		out.Write(local)
		out.Write(packed)
		if m.descriptor {
			out.Write(le(uint32(0x08074b50), crc, uint32(len(packed)), size))
		}
		extra := m.extra
		psize, usize := uint32(len(packed)), size
		if a.zip64 {
			extra = append(extra, le(uint16(1), uint16(24), uint64(size), uint64(len(packed)), uint64(offset))...)
			psize, usize, offset = math.MaxUint32, math.MaxUint32, math.MaxUint32
		}
		h := le(uint32(0x02014b50), byte(20), m.host, uint16(20), flags, m.methodID(), uint32(0), crc, psize, usize,
			uint16(len(m.name)), uint16(len(extra)), uint16(0), uint16(0), uint16(0), m.attributes, offset)
		h = append(append(h, m.name...), extra...)
		if m.central != nil {
			m.central(h)
		}
		headers[i] = h
	}
	out.WriteString(a.gap)
	a.finish(&out, headers)
	return out.Bytes()
}

func (a archive) finish(out *bytes.Buffer, headers [][]byte) {
	start := out.Len() - len(a.prefix)
	if a.order != nil {
		for _, i := range a.order {
			out.Write(headers[i])
		}
	} else {
		for _, h := range headers {
			out.Write(h)
		}
	}
	size, count := out.Len()-len(a.prefix)-start, uint16(len(headers))
	if a.order != nil {
		count = uint16(len(a.order))
	}
	end32 := [2]uint32{uint32(size), uint32(start)}
	if a.zip64 {
		at := out.Len() - len(a.prefix)
		out.Write(le(uint32(0x06064b50), uint64(44), uint16(45), uint16(45), uint32(0), uint32(0),
			uint64(count), uint64(count), uint64(size), uint64(start)))
		out.Write(le(uint32(0x07064b50), uint32(0), uint64(at), uint32(1)))
		end32, count = [2]uint32{math.MaxUint32, math.MaxUint32}, math.MaxUint16
	}
	if a.count != nil {
		count = *a.count
	}
	out.Write(le(uint32(0x06054b50), uint16(0), uint16(0), count, count, end32, uint16(len(a.comment))))
	out.WriteString(a.comment)
	out.WriteString(a.trailer)
}

func ptr[T any](v T) *T { return &v }

func one(m member) archive { return archive{members: []member{m}} }

// good are archives that must unpack, to what stands beside them.
func good() map[string]struct {
	archive archive
	want    map[string]string
} {
	type c = struct {
		archive archive
		want    map[string]string
	}
	plain := []member{{name: "annotations.json", body: "{}", deflate: true}, {name: "images/a.jpg", body: "aaaa"}, {name: "images/b.jpg", body: strings.Repeat("b", 70_000), deflate: true}}
	content := map[string]string{"annotations.json": "{}", "images/a.jpg": "aaaa", "images/b.jpg": strings.Repeat("b", 70_000)}
	streamed := make([]member, len(plain))
	for i, m := range plain {
		m.descriptor = true
		streamed[i] = m
	}
	fakeEnd := string(le(uint32(0x06054b50), uint16(0), uint16(0), uint16(1), uint16(1), uint32(46), uint32(0), uint16(0)))
	return map[string]c{
		"plain":                               {archive{members: plain}, content},
		"data descriptors":                    {archive{members: streamed}, content},
		"zip64":                               {archive{members: plain, zip64: true}, content},
		"zip64 after a prefix":                {archive{members: plain, zip64: true, prefix: strings.Repeat("stub", 100)}, content},
		"prefix bytes":                        {archive{members: plain, prefix: "#!/bin/sh self-extracting\n"}, content},
		"long comment":                        {archive{members: plain, comment: strings.Repeat("c", 65535)}, content},
		"comment that looks like the end":     {archive{members: plain, comment: "before" + fakeEnd + "after"}, content},
		"comment that ends like the end":      {archive{members: plain, comment: "before" + fakeEnd}, content},
		"bytes after the end":                 {archive{members: plain, trailer: strings.Repeat("\x00", 512)}, content},
		"directory out of order":              {archive{members: plain, order: []int{2, 0, 1}}, content},
		"bytes between files and directory":   {archive{members: plain, gap: strings.Repeat("x", 300_000)}, content},
		"junk of file managers":               {archive{members: append([]member{{name: "__MACOSX/images/._a.jpg", body: "x"}, {name: "images/Thumbs.db", body: "x"}, {name: ".DS_Store", body: "x"}}, plain...)}, content},
		"much junk in the middle":             {archive{members: []member{plain[0], {name: "__MACOSX/big", body: strings.Repeat("j", 600_000)}, plain[1], plain[2]}}, content},
		"entries for folders":                 {archive{members: append([]member{{name: "images/"}, {name: "empty/"}}, plain...)}, content},
		"same file twice":                     {archive{members: append(plain, plain[1])}, content},
		"dots in names":                       {one(member{name: "./images/./a..b.jpg", body: "x"}), map[string]string{"images/a..b.jpg": "x"}},
		"backslashes":                         {one(member{name: `images\sub\a.jpg`, body: "x"}), map[string]string{"images/sub/a.jpg": "x"}},
		"names that differ in case":           {archive{members: []member{{name: "a.JPG", body: "1"}, {name: "a.jpg", body: "2"}}}, map[string]string{"a.JPG": "1", "a.jpg": "2"}},
		"cp949 names":                         {archive{members: []member{{name: "images/\xc7\xd1\xb1\xdb \xbb\xe7\xc1\xf8.jpg", body: "x"}, {name: "\xb0\xed\xbe\xe7\xc0\xcc/1.jpg", body: "y"}}}, map[string]string{"images/한글 사진.jpg": "x", "고양이/1.jpg": "y"}},
		"cp437 names":                         {one(member{name: "caf\x82/na\x8bve.jpg", body: "x"}), map[string]string{"café/naïve.jpg": "x"}},
		"GBK names":                           {archive{members: []member{{name: "\xc3\xa8/0.jpg", body: "x"}, {name: "\xb9\xb7/0.jpg", body: "y"}}}, map[string]string{"猫/0.jpg": "x", "狗/0.jpg": "y"}},
		"Shift-JIS names with a backslash":    {archive{members: []member{{name: "\x95\x5c\x8e\xa6/\x83\x5c\x81\x5b\x83\x58.jpg", body: "x"}, {name: "\x8e\xca\x90\x5e/1.jpg", body: "y"}}}, map[string]string{"表示/ソース.jpg": "x", "写真/1.jpg": "y"}},
		"Big5 names":                          {archive{members: []member{{name: "\xb9\xcf\xa4\xf9/\xc4\xab\xaaG.jpg", body: "x"}}}, map[string]string{"圖片/蘋果.jpg": "x"}},
		"cp866 names":                         {archive{members: []member{{name: "\xaa\xae\xe8\xaa\xa0/1.jpg", body: "x"}, {name: "\xe1\xae\xa1\xa0\xaa\xa0/1.jpg", body: "y"}}}, map[string]string{"кошка/1.jpg": "x", "собака/1.jpg": "y"}},
		"Windows-1252 names":                  {archive{members: []member{{name: "caf\xe9/na\xefve.jpg", body: "x"}}}, map[string]string{"café/naïve.jpg": "x"}},
		"names of a code page beside UTF-8":   {archive{members: []member{{name: "\xb0\xed\xbe\xe7\xc0\xcc/1.jpg", body: "x"}, {name: "한글.jpg", body: "y"}, {name: "plain.jpg", body: "z"}}}, map[string]string{"고양이/1.jpg": "x", "한글.jpg": "y", "plain.jpg": "z"}},
		"UTF-8 names with the flag":           {one(member{name: "한글.jpg", body: "x", flags: 1 << 11}), map[string]string{"한글.jpg": "x"}},
		"UTF-8 names without the flag":        {one(member{name: "한글.jpg", body: "x"}), map[string]string{"한글.jpg": "x"}},
		"UTF-8 name in the extra field":       {one(unicodeExtra("\xc7\xd1.jpg", "한.jpg")), map[string]string{"한.jpg": "x"}},
		"regular file with a Unix mode":       {one(member{name: "a", body: "x", host: 3, attributes: 0o100777 << 16}), map[string]string{"a": "x"}},
		"empty files":                         {archive{members: []member{{name: "a"}, {name: "b", deflate: true}}}, map[string]string{"a": "", "b": ""}},
		"a name with a percent sign and plus": {one(member{name: "100% +&;.jpg", body: "x"}), map[string]string{"100% +&;.jpg": "x"}},
	}
}

func unicodeExtra(raw, name string) member {
	field := append(le(byte(1), crc32.ChecksumIEEE([]byte(raw))), name...)
	return member{name: raw, body: "x", extra: append(le(uint16(0x7075), uint16(len(field))), field...)}
}

// bad are archives that must be refused, with what the sentence must say.
func bad() map[string]struct {
	archive archive
	says    string
} {
	type c = struct {
		archive archive
		says    string
	}
	zeros := strings.Repeat("\x00", 1<<20)
	return map[string]c{
		"parent in the name":                {one(member{name: "../evil", body: "x"}), "leads out of the dataset"},
		"parent in the middle":              {one(member{name: "images/../../evil", body: "x"}), "leads out of the dataset"},
		"parent with backslashes":           {one(member{name: `images\..\..\evil`, body: "x"}), "leads out of the dataset"},
		"absolute name":                     {one(member{name: "/etc/passwd", body: "x"}), "is an absolute path"},
		"drive letter":                      {one(member{name: `C:\evil`, body: "x"}), "is an absolute path"},
		"parent as a folder":                {one(member{name: "../evil/"}), "leads out of the dataset"},
		"zero byte":                         {one(member{name: "a\x00b", body: "x"}), "has a zero byte"},
		"very long part":                    {one(member{name: strings.Repeat("n", 300), body: "x"}), "longer than 255 bytes"},
		"very long name":                    {one(member{name: strings.Repeat("n/", 3000) + "a", body: "x"}), "longer than 3072 bytes"},
		"false UTF-8":                       {one(member{name: "\xff\xfe", body: "x", flags: 1 << 11}), "which is not the UTF-8 that it claims to be"},
		"symbolic link":                     {one(member{name: "link", body: "/etc/passwd", host: 3, attributes: 0o120777 << 16}), "symbolic link"},
		"named pipe":                        {one(member{name: "pipe", host: 3, attributes: 0o010644 << 16}), "no regular file"},
		"encrypted":                         {one(member{name: "a", body: "x", flags: 1}), "is encrypted"},
		"deflate64":                         {one(member{name: "a", body: "x", method: 9}), "with the method deflate64"},
		"zstd":                              {one(member{name: "a", body: "x", method: 93}), "with the method zstd"},
		"unknown method":                    {one(member{name: "a", body: "x", method: 200}), "with the method number 200"},
		"file and folder of one name":       {archive{members: []member{{name: "a", body: "x"}, {name: "a/b", body: "y"}}}, "both as a file and as a folder"},
		"two files of one name":             {archive{members: []member{{name: "a", body: "x"}, {name: "a", body: "y"}}}, "twice with different content"},
		"two spellings of one name":         {archive{members: []member{{name: "a/b", body: "x"}, {name: `a\b`, body: "y"}}}, "twice with different content"},
		"overlapping files":                 {archive{members: []member{{name: "a", body: zeros, deflate: true}, {name: "b", body: zeros, deflate: true, offset: ptr(uint32(0))}}}, "overlaps itself"},
		"file outside of the archive":       {one(member{name: "a", body: "x", offset: ptr(uint32(1 << 30))}), "outside of itself"},
		"checksum":                          {one(member{name: "a", body: "x", crc: ptr(uint32(1))}), "checksum of a does not fit"},
		"stored with two sizes":             {one(member{name: "a", body: "x", size: ptr(uint32(2))}), "declares two sizes"},
		"deflated to more than declared":    {one(member{name: "a", body: zeros, deflate: true, size: ptr(uint32(10))}), "more than the 10 bytes"},
		"deflated to less than declared":    {one(member{name: "a", body: "x", deflate: true, size: ptr(uint32(10))}), "does not inflate"},
		"garbage for deflate":               {one(member{name: "a", body: "x", deflate: true, packed: func([]byte) []byte { return []byte("\xff\xff\xff\xff") }}), "does not inflate"},
		"deflate cut off":                   {one(member{name: "a", body: strings.Repeat("abcdefgh", 500), deflate: true, packed: func(b []byte) []byte { return b[:5] }}), "does not inflate"},
		"folder with content":               {one(member{name: "a/", body: "x"}), "bytes of content"},
		"no local header":                   {one(member{name: "a", body: "x", local: func(b []byte) { b[0] = 'Q' }}), "has no file at the place"},
		"another method in front":           {one(member{name: "a", body: "x", local: func(b []byte) { b[8] = 8 }}), "one thing in its directory and another in front"},
		"long name in front":                {one(member{name: "a", body: "x", local: func(b []byte) { b[27] = 0xff }}), "one thing in its directory and another in front"},
		"garbage in the directory":          {one(member{name: "a", body: "x", central: func(b []byte) { b[0] = 'Q' }}), "that does not fit"},
		"no file at all":                    {archive{}, "holds no file"},
		"nothing but junk":                  {one(member{name: "__MACOSX/a", body: "x"}), "holds no file"},
		"more entries than the limit":       {archive{members: []member{{name: "1"}, {name: "2"}, {name: "3"}, {name: "4"}, {name: "5"}, {name: "6"}}}, "has 6 files; the limit is 5"},
		"more bytes than the limit":         {one(member{name: "a", body: strings.Repeat(zeros, 2), deflate: true}), "the limit is"},
		"entries that the end record hides": {archive{members: []member{{name: "a", body: "x"}}, count: ptr(uint16(9))}, "an end record that does not fit"},
		"part of a split archive":           {one(member{name: "a", body: "x", central: func(b []byte) { b[34] = 1 }}), "split archive"},
	}
}
