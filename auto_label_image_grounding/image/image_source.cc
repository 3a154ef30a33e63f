#include "auto_label_image_grounding/image/image_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/key_names.h"

namespace alig {
namespace {

constexpr std::uint64_t kWindow = 8192;
constexpr std::uint64_t kAlignment = 4096;

Error open_error(const std::filesystem::path& path, int code) {
  const bool missing = code == ENOENT || code == ENOTDIR;
  return {missing ? ErrorKind::kNotFound : ErrorKind::kIo,
          fmt::format("cannot read {}: {}; check image_path and {}", path.string(),
                      std::strerror(code), key::kImageRoot)};
}

}  // namespace

bool ByteSource::read(std::uint64_t offset, std::span<std::uint8_t> out) {
  if (offset > size_ || out.size() > size_ - offset) return false;
  const int code = fetch(offset, out);
  if (code != 0) io_error_ = code;
  return code == 0;
}

int MemorySource::fetch(std::uint64_t offset, std::span<std::uint8_t> out) {
  if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
  return 0;
}

Result<std::unique_ptr<FileSource>> FileSource::open(const std::filesystem::path& path) {
  // open(2) would stop at the NUL and read some other file.
  if (path.native().find('\0') != std::string::npos) {
    return tl::unexpected(open_error(path.c_str(), ENOENT));
  }
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return tl::unexpected(open_error(path, errno));
  struct stat info {};
  const int code = ::fstat(fd, &info) == 0 ? 0 : errno;
  if (code == 0 && S_ISREG(info.st_mode)) {
    return std::unique_ptr<FileSource>(
        new FileSource(fd, static_cast<std::uint64_t>(info.st_size)));
  }
  ::close(fd);
  if (code != 0) return tl::unexpected(open_error(path, code));
  return fail(ErrorKind::kIo,
              fmt::format("cannot read {}: {}; image_path must name an image file", path.string(),
                          S_ISDIR(info.st_mode) ? "it is a directory" : "not a regular file"));
}

FileSource::~FileSource() { ::close(fd_); }

int FileSource::fetch(std::uint64_t offset, std::span<std::uint8_t> out) {
  if (out.size() > kWindow - kAlignment) return read_exactly(offset, out);
  const std::uint64_t window_end = window_begin_ + window_.size();
  if (offset < window_begin_ || offset + out.size() > window_end) {
    window_begin_ = offset - offset % kAlignment;
    window_.resize(std::min(kWindow, size() - window_begin_));
    if (const int code = read_exactly(window_begin_, window_); code != 0) {
      window_.clear();
      return code;
    }
  }
  std::copy_n(window_.begin() + static_cast<std::ptrdiff_t>(offset - window_begin_), out.size(),
              out.begin());
  return 0;
}

int FileSource::read_exactly(std::uint64_t offset, std::span<std::uint8_t> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return EIO;  // the file shrank since it was opened
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return 0;
}

}  // namespace alig
