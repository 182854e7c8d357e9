// Package archive unpacks an uploaded trainer package: a zip whose author is not
// known. It promises that nothing is written outside the folder, that every file is a
// plain one, that no two names meet on any file system, and that size, count and time
// are bounded by Limits; what breaks a rule is a finding, and then nothing is unpacked.
// It leaves what the files say to others.
package archive
