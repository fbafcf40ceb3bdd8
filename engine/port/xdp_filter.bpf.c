// SPDX-License-Identifier: Apache-2.0
// Which frames are the scanner's. Everything else goes on to the kernel, so the host keeps its network
// and its address can be shared; and the kernel never sees an answer to our probes, so it never
// resets one.
//
// Ours, for our address: TCP to our port range; ICMP errors that quote a segment from it; ICMP echo
// under the last port's number as its identifier, replies and errors (the host's own ping has it once
// in 65,536 times); ARP replies to our requests. Where the kernel owns the address our ARP requests
// carry sender 0.0.0.0 (an ARP probe, RFC 5227 2.1), so that only replies to 0.0.0.0 are ours and the
// kernel's own resolution goes on undisturbed. Where it does not own it, all ARP about that address is
// ours.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct steppe_filter_config {
  __u32 address;     // network byte order; 0: not configured yet, all frames go on
  __u16 port_first;  // host byte order, inclusive
  __u16 port_last;
  __u32 shared;      // 1: the kernel owns the address, too
};

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 64);
  __uint(key_size, sizeof(int));
  __uint(value_size, sizeof(int));
} xsks_map SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct steppe_filter_config);
} steppe_config SEC(".maps");

struct icmp_error {  // RFC 792; linux/icmp.h wants a whole C library around it
  __u8 type, code;
  __be16 checksum;
  __be16 identifier, sequence;  // of an echo; an error does not use them
};

struct arp_body {  // RFC 826, for Ethernet and IPv4
  __be16 hardware, protocol;
  __u8 hardware_bytes, protocol_bytes;
  __be16 operation;
  __u8 sender_mac[6];
  __u8 sender_address[4];
  __u8 target_mac[6];
  __u8 target_address[4];
} __attribute__((packed));

static __always_inline int in_range(const struct steppe_filter_config* config, __be16 port) {
  __u16 value = bpf_ntohs(port);
  return value >= config->port_first && value <= config->port_last;
}

static __always_inline int arp_is_ours(const struct steppe_filter_config* config,
                                       const struct arp_body* arp, const void* end) {
  __u32 target;
  if ((const void*)(arp + 1) > end) return 0;
  __builtin_memcpy(&target, arp->target_address, sizeof target);
  if (config->shared) return arp->operation == bpf_htons(2) && target == 0;
  return target == config->address;
}

static __always_inline int icmp_is_ours(const struct steppe_filter_config* config,
                                        const struct icmp_error* icmp, const void* end) {
  const struct iphdr* quoted = (const void*)(icmp + 1);
  const __be16* ports;
  if ((const void*)quoted <= end && icmp->type == 0)
    return bpf_ntohs(icmp->identifier) == config->port_last;
  if ((const void*)(quoted + 1) > end) return 0;
  if (icmp->type != 3 && icmp->type != 11 && icmp->type != 12) return 0;
  // Our own segments carry no IP options, so neither does their quote.
  if (quoted->saddr != config->address || quoted->ihl != 5) return 0;
  ports = (const void*)(quoted + 1);
  if ((const void*)(ports + 4) > end) return 0;
  if (quoted->protocol == IPPROTO_ICMP) return bpf_ntohs(ports[2]) == config->port_last;
  return quoted->protocol == IPPROTO_TCP && in_range(config, ports[0]);
}

SEC("xdp")
int steppe_filter(struct xdp_md* context) {
  const void* data = (const void*)(long)context->data;
  const void* end = (const void*)(long)context->data_end;
  const struct ethhdr* ethernet = data;
  __u32 zero = 0;
  int ours = 0;
  const struct steppe_filter_config* config = bpf_map_lookup_elem(&steppe_config, &zero);
  if (!config || config->address == 0 || (const void*)(ethernet + 1) > end) return XDP_PASS;
  if (ethernet->h_proto == bpf_htons(ETH_P_ARP)) {
    ours = arp_is_ours(config, (const void*)(ethernet + 1), end);
  } else if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
    const struct iphdr* ip = (const void*)(ethernet + 1);
    const void* body;
    if ((const void*)(ip + 1) > end || ip->daddr != config->address || ip->ihl < 5)
      return XDP_PASS;
    // A fragment's ports cannot be told; the engine has no use for fragments.
    if (ip->frag_off & bpf_htons(0x3fff)) return XDP_PASS;
    body = (const void*)ip + ip->ihl * 4;
    if (ip->protocol == IPPROTO_TCP) {
      const struct tcphdr* tcp = body;
      if ((const void*)(tcp + 1) <= end) ours = in_range(config, tcp->dest);
    } else if (ip->protocol == IPPROTO_ICMP) {
      const struct icmp_error* icmp = body;
      if ((const void*)(icmp + 1) <= end) ours = icmp_is_ours(config, icmp, end);
    }
  }
  // A queue without a socket of ours passes its frames on.
  return ours ? bpf_redirect_map(&xsks_map, context->rx_queue_index, XDP_PASS) : XDP_PASS;
}

char filter_license[] SEC("license") = "Apache-2.0";
