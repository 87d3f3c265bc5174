/** What the program in the boot sector does with the disk it was booted from. */
export interface BootPlan {
  /** Sectors whose NUL-terminated text goes to the serial port. */
  readonly readSectors: readonly number[];
  /** Sectors that get the last sector read, each byte turned by `bootXor`. */
  readonly writeSectors: readonly number[];
}

export const bootXor = 0x5a;
/** What the serial port shows at the beginning, at the end, and in trouble. */
export const bootText = { hello: "BOOTED\r\n", done: "WRITTEN\r\n", failed: "DISK ERROR\r\n" };
/** Exit status of QEMU when the program ends well: isa-debug-exit makes `value * 2 + 1` of it. */
export const bootExitCode = 0x21;

const origin = 0x7c00;
const readBuffer = 0x8000;
const writeBuffer = 0x9000;
const sectorBytes = 512;

/** A master boot record of our own: 16-bit code, INT 13h extensions for the disk, COM1 for words. */
export function bootSector(plan: BootPlan): Uint8Array {
  const code = new Assembler();
  // cli; ds = es = ss = 0; sp below us; sti; keep the drive's number
  code.bytes(0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0);
  code.bytes(0xbc).word(origin).bytes(0xfb);
  code.bytes(0x88, 0x16).address("drive");
  print(code, "hello");
  plan.readSectors.forEach((_, index) => {
    disk(code, 0x42, `read${index}`);
    code.bytes(0xbe).word(readBuffer).bytes(0xe8).near("print");
  });
  // si = read buffer, di = write buffer, cx = 512; lodsb; xor al; stosb; loop
  code.bytes(0xbe).word(readBuffer).bytes(0xbf).word(writeBuffer).bytes(0xb9).word(sectorBytes);
  code.bytes(0xac, 0x34, bootXor, 0xaa, 0xe2, 0xfa);
  plan.writeSectors.forEach((_, index) => {
    disk(code, 0x43, `write${index}`);
  });
  print(code, "done");
  exit(code, (bootExitCode - 1) / 2);
  code.label("fail");
  print(code, "failed");
  exit(code, 1);
  printRoutine(code);
  code.label("drive").bytes(0);
  for (const [name, text] of Object.entries(bootText)) {
    code.label(name).bytes(...new TextEncoder().encode(`${text}\0`));
  }
  plan.readSectors.forEach((sector, index) => {
    packet(code.label(`read${index}`), readBuffer, sector);
  });
  plan.writeSectors.forEach((sector, index) => {
    packet(code.label(`write${index}`), writeBuffer, sector);
  });
  return code.sector();
}

/** One sector by the disk address packet at `label`; carry means trouble. */
function disk(code: Assembler, operation: number, label: string): void {
  code.bytes(0xb8).word(operation << 8); // mov ax
  code.bytes(0x8a, 0x16).address("drive"); // mov dl
  code.bytes(0xbe).address(label); // mov si
  code.bytes(0xcd, 0x13, 0x0f, 0x82).near("fail"); // int 13h; jc
}

function packet(code: Assembler, buffer: number, sector: number): void {
  code.bytes(0x10, 0).word(1).word(buffer).word(0);
  for (let part = 0; part < 4; part += 1) code.word(Math.floor(sector / 2 ** (16 * part)) % 65_536);
}

function print(code: Assembler, label: string): void {
  code.bytes(0xbe).address(label).bytes(0xe8).near("print");
}

function exit(code: Assembler, value: number): void {
  // mov al; mov dx, 0xf4; out; hlt; jmp to hlt
  code.bytes(0xb0, value, 0xba).word(0xf4).bytes(0xee, 0xf4, 0xeb, 0xfd);
}

function printRoutine(code: Assembler): void {
  // lodsb; or al, al; jz to ret; push ax; wait until COM1 takes a byte; pop ax; out; again
  code.label("print").bytes(0xac, 0x08, 0xc0, 0x74, 0x10, 0x50);
  code.bytes(0xba).word(0x3fd).bytes(0xec, 0xa8, 0x20, 0x74, 0xfb, 0x58);
  code.bytes(0xba).word(0x3f8).bytes(0xee, 0xeb, 0xeb, 0xc3);
}

/** Bytes with names for places, which may be used before they are set. */
class Assembler {
  readonly #bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #uses: { at: number; label: string; relative: boolean }[] = [];

  bytes(...bytes: number[]): this {
    this.#bytes.push(...bytes);
    return this;
  }

  word(value: number): this {
    return this.bytes(value & 0xff, (value >> 8) & 0xff);
  }

  label(name: string): this {
    this.#labels.set(name, this.#bytes.length);
    return this;
  }

  address(label: string): this {
    return this.#use(label, false);
  }

  near(label: string): this {
    return this.#use(label, true);
  }

  /** The finished sector with its signature. */
  sector(): Uint8Array {
    const sector = new Uint8Array(sectorBytes);
    if (this.#bytes.length > sectorBytes - 2) throw new Error("the program is too long");
    sector.set(this.#bytes);
    const view = new DataView(sector.buffer);
    for (const { at, label, relative } of this.#uses) {
      const place = this.#labels.get(label);
      if (place === undefined) throw new Error(`no label ${label}`);
      view.setUint16(at, relative ? (place - at - 2) & 0xffff : origin + place, true);
    }
    view.setUint16(sectorBytes - 2, 0xaa55, true);
    return sector;
  }

  #use(label: string, relative: boolean): this {
    this.#uses.push({ at: this.#bytes.length, label, relative });
    return this.word(0);
  }
}
