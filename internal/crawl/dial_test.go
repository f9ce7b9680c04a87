package crawl

import (
	"net/netip"
	"testing"
)

func TestReach(t *testing.T) {
	for ip, want := range map[string]struct{ public, anywhere bool }{
		"93.184.216.34":      {true, true},
		"2606:2800:220:1::1": {true, true},
		"0.0.0.0":            {false, true},
		"10.0.0.1":           {false, true},
		"100.64.0.1":         {false, true},
		"127.0.0.1":          {false, true},
		"169.254.169.254":    {false, false},
		"168.63.129.16":      {false, false},
		"100.100.100.200":    {false, false},
		"192.0.0.192":        {false, false},
		"172.16.0.1":         {false, true},
		"192.168.0.1":        {false, true},
		"198.18.0.1":         {false, true},
		"203.0.113.1":        {false, true},
		"224.0.0.1":          {false, true},
		"255.255.255.255":    {false, true},
		"::":                 {false, true},
		"::1":                {false, true},
		"::ffff:127.0.0.1":   {false, true},
		"::ffff:169.254.1.1": {false, false},
		"64:ff9b::7f00:1":    {false, true},
		"64:ff9b::a9fe:a9fe": {false, false},
		"2002:7f00:1::":      {false, true},
		"2002:a9fe:a9fe::":   {false, false},
		"2001:db8::1":        {false, true},
		"fc00::1":            {false, true},
		"fd00:ec2::254":      {false, false},
		"fe80::1":            {false, false},
		"ff02::1":            {false, true},
	} {
		at := netip.MustParseAddr(ip)
		if got := publicOnly.check(at) == nil; got != want.public {
			t.Errorf("%s is public: %v, want %v", ip, got, want.public)
		}
		if got := anywhere.check(at) == nil; got != want.anywhere {
			t.Errorf("%s may be connected to: %v, want %v", ip, got, want.anywhere)
		}
	}
}
