#include "auto_label_image_grounding/data/jsonl.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/core.h>

namespace alig {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == text.npos; }

}  // namespace

Result<JsonlFile> JsonlFile::open(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const int code = errno;
    return fail(code == ENOENT ? ErrorKind::kNotFound : ErrorKind::kIo,
                fmt::format("cannot read {}: {}", path.string(), std::strerror(code)));
  }
  JsonlFile file(path, fd);
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    return fail(ErrorKind::kIo, fmt::format("cannot read {}: not a regular file", path.string()));
  }
  return file;
}

JsonlFile::JsonlFile(JsonlFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      buffer_(std::move(other.buffer_)),
      at_(other.at_),
      buffer_offset_(other.buffer_offset_),
      line_number_(other.line_number_) {}

JsonlFile::~JsonlFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<bool> JsonlFile::fill() {
  buffer_.erase(0, at_);
  buffer_offset_ += at_;
  at_ = 0;
  constexpr std::size_t kBlock = 1 << 18;
  const std::size_t size = buffer_.size();
  buffer_.resize(size + kBlock);
  ssize_t got = 0;
  do {
    got = ::pread(fd_, buffer_.data() + size, kBlock, static_cast<off_t>(buffer_offset_ + size));
  } while (got < 0 && errno == EINTR);
  const int code = errno;
  buffer_.resize(size + (got > 0 ? static_cast<std::size_t>(got) : 0));
  if (got < 0) {
    return fail(ErrorKind::kIo,
                fmt::format("cannot read {}: {}", path_.string(), std::strerror(code)));
  }
  return got > 0;
}

Result<std::optional<JsonlLine>> JsonlFile::next() {
  std::size_t searched = 0;  // bytes after at_ without a line end
  for (;;) {
    std::size_t end = buffer_.find('\n', at_ + searched);
    const bool complete = end != std::string::npos;
    if (!complete) {
      searched = buffer_.size() - at_;
      auto more = fill();
      if (!more) return tl::unexpected(more.error());
      if (*more) continue;
      if (buffer_.size() == at_) return std::optional<JsonlLine>();
      end = buffer_.size();
    }
    searched = 0;
    ++line_number_;
    std::string_view text(buffer_.data() + at_, end - at_);
    std::uint64_t offset = buffer_offset_ + at_;
    at_ = complete ? end + 1 : end;
    if (offset == 0 && text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
      text.remove_prefix(kByteOrderMark.size());
      offset += kByteOrderMark.size();
    }
    if (is_blank(text)) continue;
    if (text.back() == '\r') text.remove_suffix(1);
    return JsonlLine{{offset, static_cast<std::uint32_t>(text.size()), line_number_}, text};
  }
}

Result<std::string> JsonlFile::read(const LinePosition& position) const {
  std::string out(position.length, '\0');
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(fd_, out.data() + done, out.size() - done,
                                static_cast<off_t>(position.offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      return fail(ErrorKind::kIo,
                  fmt::format("cannot read line {} of {} again: {}", position.number,
                              path_.string(), got < 0 ? std::strerror(errno) : "the file shrank"));
    }
    done += static_cast<std::size_t>(got);
  }
  return out;
}

}  // namespace alig
