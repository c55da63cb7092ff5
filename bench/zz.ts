import { compress, quant, dense } from 'lapidary';
const N=64,K=256,n=100;
let s=1; const r=()=>{s=(s*1103515245+12345)%2147483648; return s/1073741824-1;};
const w=dense(N,K,Float32Array.from({length:N*K},()=>(r()+r()+r()+r())/2));
const x=dense(n,K,new Float32Array(n*K)); for(let i=0;i<n;i++){let a=0;for(let j=0;j<K;j++){a=0.8*a+r();x.data[i*K+j]=a*(j%50==0?10:1);}}
const loss=(q:any)=>{const d=quant.dequantize(q).data; let t=0; for(let i=0;i<N;i++){for(let a=0;a<n;a++){let y=0;for(let j=0;j<K;j++)y+=(w.data[i*K+j]!-d[i*K+j]!)*x.data[a*K+j]!;t+=2*y*y/n;}}return t;};
const fro=(q:any)=>{const d=quant.dequantize(q).data; return Math.sqrt(d.reduce((t:number,v:number,k:number)=>t+(v-w.data[k]!)**2,0));};
const q=compress.dgq(w,x); console.log('dgq',q.loss,loss(q),'rtn',loss(quant.quantize(w,{format:'dgq'})),'int4 zp 128',loss(quant.quantize(w,{format:'int4',groupSize:128,symmetric:false})),'row',loss(quant.quantize(w,{format:'int4',groupSize:'row',symmetric:false})));
console.log('smooth',compress.dgq(w,x,{smooth:true}).loss, [...compress.dgq(w,x,{smooth:true}).smoothing!].filter(v=>v!==1));
for(const format of ['int4','int3','int2','fp4-e2m1','mxfp4','mxfp4-43','nvfp4','fp8-e4m3'] as const) console.log(format, fro(quant.quantize(w,{format})), fro(quant.quantize(w,{format,observer:'mse'})));
console.log('zp', fro(quant.quantize(w,{format:'int4',symmetric:false})), fro(quant.quantize(w,{format:'int4',symmetric:false,observer:'mse'})));
for (const rank of [0,1,8,64]) {const t=performance.now(); const c=compress.lowRankCorrection(w,quant.quantize(w,{format:'int2'}),{rank}); console.log(rank,fro(c),performance.now()-t);}
