// Runs the cases of cases.py without Python: on processors that are emulated, and under sanitizers.
//
//   driver FILE [CALLERS]
//
// Every case runs on all targets that are compiled in and that the processor has, with 1, 2, 3 and 7 threads, and by so many callers
// at once. The memory that it leaves is compared byte for byte. Exits with 0 if all is right.
#include "geometry.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

using namespace lsmx;

namespace {

[[noreturn]] void stop(const char* why) {
    fprintf(stderr, "%s\n", why);
    exit(2);
}

// Integers of 64 bits, and bytes that are preceded by their number
struct Reader {
    const char* at;
    const char* end;

    int64_t integer() {
        int64_t x;
        memcpy(&x, bytes(sizeof x), sizeof x);
        return x;
    }
    const char* bytes(int64_t count) {
        if (count < 0 || count > end - at) stop("the file of cases ends too early");
        const char* here = at;
        at += count;
        return here;
    }
};

constexpr int MOST_BUFFERS = OPERANDS;

struct Place {
    int64_t buffer = -1, offset = 0;
    View view;
};

struct Case {
    char name[300];
    Pass pass;
    bool in_double;
    uint64_t reduced;
    int64_t buffers, size[MOST_BUFFERS];
    const char* before[MOST_BUFFERS];
    Place place[OPERANDS];
    bool ignores;
    int64_t ignored;
    double softcap;
    const char* want;

    explicit Case(Reader& file) {
        const int64_t length = file.integer();
        snprintf(name, sizeof name, "%.*s", int(length), file.bytes(length));
        pass = Pass(file.integer());
        in_double = file.integer() != 0;
        reduced = uint64_t(file.integer());
        buffers = file.integer();
        if (buffers > MOST_BUFFERS) stop("more buffers than there is room for");
        for (int64_t i = 0; i < buffers; ++i) {
            size[i] = file.integer();
            before[i] = file.bytes(size[i]);
        }
        for (Place& p : place) {
            p.buffer = file.integer();
            if (p.buffer < 0) continue;
            p.offset = file.integer();
            const int64_t type = file.integer();
            p.view.at.type = Type(type & 7);
            p.view.at.swapped = type >= 8;
            p.view.dimensions = int(file.integer());
            for (int k = 0; k < p.view.dimensions; ++k) p.view.shape[k] = file.integer();
            for (int k = 0; k < p.view.dimensions; ++k) p.view.strides[k] = file.integer();
        }
        ignores = file.integer() != 0;
        ignored = file.integer();
        memcpy(&softcap, file.bytes(sizeof softcap), sizeof softcap);
        if (file.integer() != size[place[OUT].buffer]) stop("a result of another size");
        want = file.bytes(size[place[OUT].buffer]);
    }

    // Whether memory is left as it should be
    bool right(int threads) const {
        char* memory[MOST_BUFFERS];
        for (int64_t i = 0; i < buffers; ++i) {
            memory[i] = static_cast<char*>(malloc(size_t(size[i])));  // of just this size, so that a sanitizer sees its ends
            memcpy(memory[i], before[i], size_t(size[i]));
        }
        View views[OPERANDS];
        const View* arrays[OPERANDS] = {};
        for (int o = 0; o < OPERANDS; ++o) {
            if (place[o].buffer < 0) continue;
            views[o] = place[o].view;
            views[o].at.data = memory[place[o].buffer] + place[o].offset;
            arrays[o] = &views[o];
        }
        Call call;
        call.ignores = ignores;
        call.ignored = ignored;
        call.softcap = softcap;
        bool ok = !lay_out(call, pass, in_double ? FLOAT64 : FLOAT32, arrays, arrays[B] ? views[B] : views[A], reduced) && run_all(call, threads);
        for (int64_t i = 0; i < buffers; ++i) {
            ok = ok && !memcmp(memory[i], i == place[OUT].buffer ? want : before[i], size_t(size[i]));
            free(memory[i]);
        }
        return ok;
    }
};

struct File {
    const char* data;
    size_t size;
    int64_t cases = 0, wrong = 0;
};

constexpr int counts[] = {1, 2, 3, 7};

void* run_file(void* given) {
    File& file = *static_cast<File*>(given);
    for (Reader reader{file.data, file.data + file.size}; reader.at < reader.end;) {
        const Case c(reader);
        ++file.cases;
        for (int threads : counts) {
            if (c.right(threads)) continue;
            if (file.wrong++ < 10) printf("WRONG on %s, %d threads: %s\n", target()->name, threads, c.name);
        }
    }
    return nullptr;
}

char* contents(const char* path, size_t& size) {
    FILE* file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) stop("the file of cases cannot be read");
    size = size_t(ftell(file));
    rewind(file);
    char* data = static_cast<char*>(malloc(size));
    if (!data || fread(data, 1, size, file) != size) stop("the file of cases cannot be read");
    fclose(file);
    return data;
}

}  // namespace

int main(int count, char** words) {
    if (count < 2) stop("driver FILE [CALLERS]");
    size_t size;
    char* data = contents(words[1], size);
    const int callers = count > 2 ? atoi(words[2]) : 1;
    bool right = true;
    for (auto t = targets(); *t; ++t) {
        if (!(*t)->available()) continue;
        if (const char* why = use((*t)->name)) stop(why);
        File* files = static_cast<File*>(malloc(size_t(callers) * sizeof(File)));
        pthread_t* threads = static_cast<pthread_t*>(malloc(size_t(callers) * sizeof(pthread_t)));
        for (int i = 0; i < callers; ++i) {
            files[i] = {data, size};
            if (pthread_create(&threads[i], nullptr, run_file, &files[i])) stop("no thread");
        }
        for (int i = 0; i < callers; ++i) {
            pthread_join(threads[i], nullptr);
            printf("%s: %lld cases, %lld wrong\n", (*t)->name, (long long)files[i].cases, (long long)files[i].wrong);
            right = right && files[i].cases && !files[i].wrong;
        }
        free(files);
        free(threads);
    }
    free(data);
    return right ? 0 : 1;
}
