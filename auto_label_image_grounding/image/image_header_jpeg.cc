#include <algorithm>
#include <vector>

#include "auto_label_image_grounding/image/image_headers.h"

namespace alig {
namespace {

enum Marker : std::uint8_t {
  kTem = 0x01,
  kSof0 = 0xC0,
  kSof2 = 0xC2,
  kDht = 0xC4,
  kJpg = 0xC8,
  kDac = 0xCC,
  kSof15 = 0xCF,
  kRst0 = 0xD0,
  kSoi = 0xD8,
  kEoi = 0xD9,
  kSos = 0xDA,
  kApp1 = 0xE1,
};

bool is_frame_header(std::uint8_t marker) {
  return marker >= kSof0 && marker <= kSof15 && marker != kDht && marker != kJpg && marker != kDac;
}

bool stands_alone(std::uint8_t marker) {
  return marker == kTem || (marker >= kRst0 && marker <= kSoi);
}

struct Segment {
  std::uint8_t marker = 0;
  std::uint64_t begin = 0;  // of the payload
  std::uint64_t length = 0;
  std::uint64_t end() const { return begin + length; }
};

// The next segment at or after `at`; as decoders do, fill bytes and stray bytes are skipped.
std::optional<Segment> next_segment(ByteSource& source, std::uint64_t at) {
  constexpr std::uint64_t kMaxStrayBytes = 1 << 16;
  const std::uint64_t last = at + kMaxStrayBytes;
  for (auto pair = source.read<2>(at); pair && at < last; pair = source.read<2>(++at)) {
    const auto [lead, marker] = *pair;
    if (lead != 0xFF || marker == 0xFF || marker == 0) continue;
    if (marker == kEoi || stands_alone(marker)) return Segment{marker, at + 2, 0};
    const auto length = source.read<2>(at + 2);
    if (!length || load_be16(length->data()) < 2) return std::nullopt;
    return Segment{marker, at + 4, load_be16(length->data()) - std::uint64_t{2}};
  }
  return std::nullopt;
}

std::optional<HeaderFacts> read_frame_header(ByteSource& source, const Segment& segment) {
  const auto raw = source.read<6>(segment.begin);
  if (!raw || segment.length < raw->size()) return std::nullopt;
  const std::uint8_t precision = (*raw)[0];
  const std::uint8_t components = (*raw)[5];
  HeaderFacts out;
  out.height = load_be16(&(*raw)[1]);
  out.width = load_be16(&(*raw)[3]);
  // Baseline, extended and progressive Huffman; the rest is rare and many readers refuse it.
  out.plain = segment.marker <= kSof2 && precision == 8 && (components == 1 || components == 3);
  out.lossy = true;
  return out;
}

std::optional<int> orientation_of(ByteSource& source, const Segment& segment) {
  const auto name = source.read<6>(segment.begin);
  if (!name || segment.length < name->size() || four_cc(name->data()) != "Exif") {
    return std::nullopt;
  }
  return read_exif_orientation(source, segment.begin, segment.length);
}

// From the tail backwards: in an intact file the first two bytes examined are the marker. Inside
// the image data the pair cannot occur (a byte FF is followed by 00 there).
bool has_end_marker(ByteSource& source, std::uint64_t from) {
  constexpr std::uint64_t kBlock = 1 << 16;
  constexpr std::uint8_t kEnd[] = {0xFF, kEoi};
  if (source.size() >= from + 2) {
    const auto tail = source.read<2>(source.size() - 2);
    if (tail && std::equal(tail->begin(), tail->end(), kEnd)) return true;
  }
  std::vector<std::uint8_t> block;
  for (std::uint64_t end = source.size(); end > from + 1;) {
    const std::uint64_t begin = end - from > kBlock ? end - kBlock : from;
    block.resize(end - begin);
    if (!source.read(begin, block)) return false;
    if (std::search(block.begin(), block.end(), kEnd, kEnd + 2) != block.end()) return true;
    if (begin == from) return false;
    end = begin + 1;  // the pair may lie across two blocks
  }
  return false;
}

struct HeaderScan {
  std::optional<HeaderFacts> frame;
  std::optional<int> orientation;
  std::uint64_t image_data = 0;  // where the first scan's header ends
};

tl::expected<HeaderScan, std::string> scan_segments(ByteSource& source) {
  HeaderScan out;
  for (std::uint64_t at = 2;;) {
    const auto segment = next_segment(source, at);
    if (!segment || segment->end() > source.size()) {
      return tl::unexpected<std::string>("it is cut off in its header");
    }
    at = segment->end();
    if (segment->marker == kEoi) {
      return tl::unexpected<std::string>("it ends before any image data");
    }
    if (segment->marker == kSos) {
      out.image_data = at;
      return out;
    }
    if (segment->marker == kApp1 && !out.orientation) {
      out.orientation = orientation_of(source, *segment);
    }
    if (is_frame_header(segment->marker) && !out.frame) {
      out.frame = read_frame_header(source, *segment);
      if (!out.frame) return tl::unexpected<std::string>("its frame header is damaged");
    }
  }
}

}  // namespace

HeaderResult read_jpeg_header(ByteSource& source) {
  const auto scan = scan_segments(source);
  if (!scan) return tl::unexpected(scan.error());
  if (!scan->frame) return tl::unexpected<std::string>("it has no frame header");
  if (!has_end_marker(source, scan->image_data)) {
    return tl::unexpected<std::string>("it is cut off: no end marker after the image data");
  }
  HeaderFacts out = *scan->frame;
  out.orientation = scan->orientation.value_or(1);
  return out;
}

}  // namespace alig
