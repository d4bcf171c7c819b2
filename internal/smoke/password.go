package smoke

import (
	"regexp"
	"slices"
	"strings"

	"github.com/go-crypt/crypt"
	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/bcrypt"
	"github.com/go-crypt/crypt/algorithm/md5crypt"
	"github.com/go-crypt/crypt/algorithm/scrypt"
	"github.com/go-crypt/crypt/algorithm/shacrypt"
)

// common are passwords that images have been published with, besides the account's own name.
var common = []string{
	"password", "passw0rd", "Password1", "changeme", "secret", "letmein", "default", "123456", "12345678", "1234", "test", "test123",
	"root", "toor", "admin", "administrator", "user", "guest", "cloud", "linux", "vagrant", "packer", "ansible", "redhat", "rhel",
	"fedora", "centos", "rocky", "almalinux", "debian", "ubuntu", "opensuse", "cirros", "gocubsgo", "core", "qwerty", "welcome",
}

// A dictionary holds the passwords that are no secret.
type dictionary struct {
	words   []string
	decoder *crypt.Decoder
	budget  int // how many more accounts to try, for the image makes up the list
}

// newDictionary also holds the passwords that stand in the kickstart for all to read.
func newDictionary(kickstart string) *dictionary {
	d := &dictionary{words: slices.Clone(common), decoder: crypt.NewDecoder(), budget: 50}
	for _, register := range []func(algorithm.DecoderRegister) error{
		shacrypt.RegisterDecoder, scrypt.RegisterDecoder, bcrypt.RegisterDecoder, md5crypt.RegisterDecoder,
	} {
		if err := register(d.decoder); err != nil {
			panic(err) // two decoders under one name: a mistake right here
		}
	}
	for _, m := range rootCommand.FindAllStringSubmatch(kickstart, -1) {
		if !strings.Contains(m[1], "--iscrypted") {
			d.words = append(d.words, plainWords(m[1])...)
		}
	}
	for _, m := range userPassword.FindAllStringSubmatch(kickstart, -1) {
		d.words = append(d.words, plainWords(m[1])...)
	}
	return d
}

// userPassword is the password in a kickstart's user command, if it stands there in plain text or not.
var userPassword = regexp.MustCompile(`(?m)^\s*user\s.*--password[= ](\S+)`)

// plainWords are the words of text that are no options, without quotes.
func plainWords(text string) []string {
	var words []string
	for word := range strings.FieldsSeq(text) {
		if word = strings.Trim(word, `"'`); word != "" && !strings.HasPrefix(word, "-") {
			words = append(words, word)
		}
	}
	return words
}

// affordable are the hashes that can be tried in a moment: an image must not keep
// us busy for hours with a costly one.
var affordable = regexp.MustCompile(`^\$(?:1|[56]|[56]\$rounds=\d{1,5}|2[abxy]\$(?:0\d|10)|y\$j[5-9A]T)\$`)

// holds reports whether the account's hash is that of a password in the dictionary.
func (d *dictionary) holds(account, hash string) bool {
	if d.budget == 0 || !affordable.MatchString(hash) {
		return false
	}
	d.budget--
	digest, err := d.decoder.Decode(hash)
	if err != nil {
		return false
	}
	for _, word := range append([]string{account, account + "123"}, d.words...) {
		if ok, err := digest.MatchAdvanced(word); err == nil && ok {
			return true
		}
	}
	return false
}
